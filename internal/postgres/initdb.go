package postgres

// InitdbInput is all that initdb's arguments depend on.
type InitdbInput struct {
	// Major version, "15" or "17".
	Major string
	// DataDirectory to create.
	DataDirectory string
	// WALDirectory, where pg_wal is to be on another volume; may be empty.
	WALDirectory string
}

// InitdbArguments are the arguments of initdb: UTF-8, data checksums, a sort order that does not change with the
// C library, peer on the socket, SCRAM elsewhere. An error for a version that Timonier does not know.
func InitdbArguments(in InitdbInput) ([]string, error) { return nil, nil }
