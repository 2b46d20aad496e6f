package postgres

import (
	"fmt"

	"github.com/timonier-io/timonier/internal/naming"
)

// InitdbInput is all that initdb's arguments depend on.
type InitdbInput struct {
	// Major version, "15" or "17".
	Major string
	// DataDirectory to create.
	DataDirectory string
	// WALDirectory, where pg_wal is to be on another volume; may be empty.
	WALDirectory string
}

// InitdbArguments are the arguments of initdb: UTF-8, data checksums, a sort order
// that does not change with the C library, peer on the socket, SCRAM elsewhere. An
// error for a version that Timonier does not know.
//
// The sort order matters because a standby, or the same volume in a newer image, may have
// another C library: with a locale of the library, indexes on text would then be
// silently corrupt. From 17 on the builtin provider has C.UTF-8: code point order, and upper and lower case for
// all of Unicode, tied to PostgreSQL's major version. 15 has no such provider; its locale C sorts by
// bytes without asking the library, and for the rest of lc_ctype C.UTF-8 is taken, so that
// upper('é') works: character classes may follow the library, the order of an index on plain text does not.
func InitdbArguments(in InitdbInput) ([]string, error) {
	arguments := []string{
		"--pgdata=" + in.DataDirectory,
		"--username=" + naming.Superuser,
		"--encoding=UTF8",
		"--data-checksums",
		"--auth-local=peer",
		"--auth-host=scram-sha-256",
		// Text search would otherwise be configured by the locale's language; both versions get the same.
		"--text-search-config=simple",
	}
	switch in.Major {
	case "15":
		arguments = append(arguments, "--locale-provider=libc", "--locale=C", "--lc-ctype=C.UTF-8")
	case "17":
		arguments = append(arguments, "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8", "--lc-collate=C", "--lc-messages=C",
			// As in postgresql.conf: on a node with huge pages, a pod without any dies of them. 15 cannot be told.
			"--set=huge_pages=off")
	default:
		return nil, fmt.Errorf("initdb: PostgreSQL %q is not one of the versions that Timonier knows (15, 17)", in.Major)
	}
	if in.WALDirectory != "" {
		arguments = append(arguments, "--waldir="+in.WALDirectory)
	}
	return arguments, nil
}
