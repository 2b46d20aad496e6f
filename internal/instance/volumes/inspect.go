package volumes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres"
)

// Contents of the volumes.
type Contents struct {
	// Identity, zero where no volume has one. Where the volumes disagree it is the one that has seen more.
	Identity Identity
	// HasIdentity: some volume has one.
	HasIdentity bool
	// Whole: PGDATA is in place, every volume has the same identity, and it names PGDATA's system.
	Whole bool
	// Damage tells what is wrong where there is something, but not all of it.
	Damage string
	// HasPGData: PGDATA is in place, with a control file, whole or not.
	HasPGData bool
	// Control of PGDATA, where HasPGData.
	Control postgres.ControlData
	// MajorVersion in PGDATA's PG_VERSION.
	MajorVersion string
	// Unfinished is the control data of pgdata.new, nil where it has none.
	Unfinished *postgres.ControlData
}

// ControlReader reads the control file of a data directory.
type ControlReader func(ctx context.Context, directory string) (postgres.ControlData, error)

// Inspect reads what is on the volumes. No server may run on them, or Control may be of any moment.
func (l Layout) Inspect(ctx context.Context, read ControlReader) (Contents, error) {
	var c Contents
	identities, err := l.loadIdentities()
	if err != nil {
		return c, err
	}
	same := true
	for _, identity := range identities {
		if identity == nil {
			same = false
			continue
		}
		if c.HasIdentity && (identity.Incarnation != c.Identity.Incarnation || identity.System != c.Identity.System) {
			same = false
		}
		if !c.HasIdentity || identity.Revision > c.Identity.Revision {
			c.Identity = *identity
		}
		c.HasIdentity = true
	}
	if c.HasPGData, err = hasControlFile(l.PGData()); err != nil {
		return c, err
	}
	if unfinished, err := hasControlFile(l.NewPGData()); err == nil && unfinished {
		if control, err := read(ctx, l.NewPGData()); err == nil { // half a clone may have half a control file
			c.Unfinished = &control
		}
	}
	if !c.HasPGData {
		return c, nil
	}
	if c.Control, err = read(ctx, l.PGData()); err != nil {
		return c, fmt.Errorf("reading the control file: %w", err)
	}
	version, err := os.ReadFile(filepath.Join(l.PGData(), "PG_VERSION"))
	if err != nil {
		return c, fmt.Errorf("reading the version of PGDATA: %w", err)
	}
	c.MajorVersion = strings.TrimSpace(string(version))
	c.Damage, err = l.damage(c, same)
	c.Whole = c.Damage == ""
	return c, err
}

// damage tells in words what keeps a PGDATA from being whole.
func (l Layout) damage(c Contents, sameIdentity bool) (string, error) {
	if !c.HasIdentity {
		return "the data directory has no identity beside it", nil
	}
	if !sameIdentity {
		return "the data volume and the WAL volume do not belong together, or one of them was lost", nil
	}
	if c.Identity.System != c.Control.SystemIdentifier {
		return fmt.Sprintf("the identity names system %q, the data directory is of %s", c.Identity.System, c.Control.SystemIdentifier), nil
	}
	// Through the symbolic link, where the WAL is on a volume of its own.
	wal, err := os.ReadDir(filepath.Join(l.PGData(), "pg_wal"))
	if os.IsNotExist(err) || err == nil && len(wal) == 0 {
		return "the directory of the write-ahead log is empty", nil
	}
	return "", err
}

func hasControlFile(directory string) (bool, error) {
	return exists(filepath.Join(directory, "global", "pg_control"))
}
