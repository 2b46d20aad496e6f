package postgres

// ControlData is what pg_controldata prints, as far as it is used.
type ControlData struct {
	// SystemIdentifier, decimal.
	SystemIdentifier string
	// State in pg_controldata's words (English: run it with LC_ALL=C), one of the State… constants.
	State string
	// CheckpointLocation is where the latest checkpoint record begins, CheckpointREDO where recovery begins.
	CheckpointLocation, CheckpointREDO LSN
	// CheckpointTimeline and CheckpointPreviousTimeline of the latest checkpoint.
	CheckpointTimeline, CheckpointPreviousTimeline int64
	// MinRecoveryEnd is where recovery must come to before the data is consistent; zero on
	// what was last a primary. MinRecoveryEndTimeline is 0 then.
	MinRecoveryEnd         LSN
	MinRecoveryEndTimeline int64
	// BackupStart and BackupEnd are zero unless recovery from a base backup has not come to its end.
	BackupStart, BackupEnd LSN
	BackupEndRequired      bool
	// StandbySensitive are the values of the parameters of that name that the primary ran with.
	StandbySensitive map[string]int64
	// WALLevel of the primary: minimal, replica or logical.
	WALLevel string
	// WALLogHints of the primary; pg_rewind needs it, or checksums.
	WALLogHints bool
	// DataChecksums are on.
	DataChecksums bool
	// WALSegmentSize in bytes.
	WALSegmentSize int64
}

// States of a data directory.
const (
	StateStartingUp         = "starting up"
	StateShutDown           = "shut down"
	StateShutDownInRecovery = "shut down in recovery"
	StateShuttingDown       = "shutting down"
	StateInCrashRecovery    = "in crash recovery"
	StateInArchiveRecovery  = "in archive recovery"
	StateInProduction       = "in production"
)

// Timeline of the data: that of the latest checkpoint, or of the minimum recovery end where that is later.
func (c ControlData) Timeline() int64 { return max(c.CheckpointTimeline, c.MinRecoveryEndTimeline) }

// CleanlyShutDown: nothing after the latest checkpoint needs to be replayed.
func (c ControlData) CleanlyShutDown() bool {
	return c.State == StateShutDown || c.State == StateShutDownInRecovery
}

// ParseControlData reads what `pg_controldata` prints with LC_ALL=C. A line that is missing is an error that names it.
func ParseControlData(output string) (ControlData, error) { return ControlData{}, nil }
