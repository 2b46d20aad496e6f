package volumes

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// Identity of one copy of a PostgreSQL system's data, and what it has seen. It lies beside PGDATA on every
// volume of the instance, since clones and rewinds overwrite what is inside. It counts only for the system that it names.
type Identity struct {
	Instance string `json:"instance"`
	// System identifier that it is bound to; "" while a clone has not come to its end.
	System string `json:"system,omitempty"`
	// Incarnation is random, and new with each initdb and clone.
	Incarnation string `json:"incarnation"`
	// Revision, Term and Timeline are the highest that were ever seen in the Lease. The revision may lag by
	// election.RevisionMargin: renewals are not written down one by one.
	Revision int64 `json:"revision,omitempty"`
	Term     int64 `json:"term,omitempty"`
	Timeline int64 `json:"timeline,omitempty"`
	// Members that the last record seen named: instances' names.
	Members []string `json:"members,omitempty"`
	// Lineage of all timelines that were ever read of: which term made each, and where it forked.
	Lineage election.Lineage `json:"lineage,omitempty"`
	// Promise not to follow, nor to start as primary, under any revision up to this one: a vote. 0 for none.
	Promise int64 `json:"promise,omitempty"`
	// Disclaimed is the term of which this copy was seen to have lost something that it had confirmed; 0 for none.
	Disclaimed int64 `json:"disclaimed,omitempty"`
	// Told is the quorum that PostgreSQL was last told here.
	Told *election.Quorum `json:"told,omitempty"`
	// ToldTerm is the term that it was told in.
	ToldTerm int64 `json:"toldTerm,omitempty"`
	// Record that was seen last, as far as it was written down: what this copy goes on by where the API does not answer.
	Record *election.Record `json:"record,omitempty"`
	// Rewinding: a rewind was begun and has not come to its end, so that PGDATA is of no use until it, or a clone, has.
	Rewinding bool `json:"rewinding,omitempty"`
	// Rewound is the term of the leader that this copy was rewound from, 0 once it is consistent: until then it needs that leader's WAL, and takes no
	// connections.
	Rewound int64 `json:"rewound,omitempty"`
	// CloneComplete: pgdata.new is a whole clone, and only has to be renamed.
	CloneComplete bool `json:"cloneComplete,omitempty"`
}

// NewIncarnation is 48 random bits in hex: short, for it shares the 63 bytes of an application_name with the instance's name and a term.
func NewIncarnation() string {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails, says its documentation
	return hex.EncodeToString(random[:])
}

// See takes over what a record says. It tells whether that must be written down now.
func (i *Identity) See(record election.Record) (write bool) {
	members := record.MemberNames()
	write = i.Record == nil || record.Term > i.Term || record.Timeline > i.Timeline || record.Holder != i.Record.Holder ||
		!record.Quorum.Equal(i.Record.Quorum) ||
		record.Revision >= i.Revision+election.RevisionMargin/2 ||
		!slices.Equal(members, i.Members)
	if i.Lineage == nil {
		i.Lineage = election.Lineage{}
	}
	write = i.Lineage.Learn(record) || write
	// That a vote does not count any more has to be known after a restart too.
	write = write || i.Promise >= i.Revision && record.Revision > i.Promise && i.Promise > 0
	i.Term, i.Timeline = max(i.Term, record.Term), max(i.Timeline, record.Timeline)
	if write {
		i.Revision = max(i.Revision, record.Revision)
		seen := record.Copy()
		i.Record = &seen
	}
	i.Members = members
	return write
}

// Copy can be written while i is changed.
func (i Identity) Copy() Identity {
	i.Members, i.Lineage = slices.Clone(i.Members), maps.Clone(i.Lineage)
	if i.Told != nil {
		told := i.Told.Copy()
		i.Told = &told
	}
	if i.Record != nil {
		record := i.Record.Copy()
		i.Record = &record
	}
	return i
}

// SaveIdentity makes it durable on every volume.
func (l Layout) SaveIdentity(identity Identity) error {
	content, err := json.MarshalIndent(identity, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the identity: %w", err)
	}
	for _, mount := range l.mounts() {
		if err := WriteFile(identityFile(mount), content, 0o600); err != nil {
			return fmt.Errorf("writing the identity beside PGDATA: %w", err)
		}
	}
	return nil
}

// loadIdentities reads the identity of each volume; nil for a volume without one.
func (l Layout) loadIdentities() ([]*Identity, error) {
	var identities []*Identity
	for _, mount := range l.mounts() {
		content, err := os.ReadFile(identityFile(mount))
		if errors.Is(err, fs.ErrNotExist) {
			identities = append(identities, nil)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the identity beside PGDATA: %w", err)
		}
		var identity Identity
		if err := json.Unmarshal(content, &identity); err != nil {
			return nil, fmt.Errorf("the identity in %s is damaged: %w; restore it from the other volume, or delete the volume so that it is cloned again", identityFile(mount), err)
		}
		identities = append(identities, &identity)
	}
	return identities, nil
}
