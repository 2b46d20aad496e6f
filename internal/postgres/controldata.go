package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// ControlData is what pg_controldata prints, as far as it is used.
type ControlData struct {
	// SystemIdentifier, decimal.
	SystemIdentifier string
	// State in pg_controldata's words, one of the State… constants.
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
	// BackupEndRequired: the data is not consistent before the end of that backup is replayed.
	BackupEndRequired bool
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

// CleanlyShutDown tells that it was last a primary, and that its WAL ends with the checkpoint
// record at CheckpointLocation. A standby is never: WAL that it has received and not
// replayed may follow, and pg_control does not tell.
func (c ControlData) CleanlyShutDown() bool { return c.State == StateShutDown }

// ParseControlData reads what `pg_controldata` prints with LC_ALL=C; a line that is missing or malformed is an error that names it.
func ParseControlData(output string) (ControlData, error) {
	r := controlReader{values: map[string]string{}}
	for line := range strings.Lines(output) {
		if label, value, ok := strings.Cut(line, ":"); ok {
			r.values[strings.TrimSpace(label)] = strings.TrimSpace(value)
		}
	}
	data := ControlData{
		SystemIdentifier:           r.systemIdentifier(),
		State:                      r.text("Database cluster state"),
		CheckpointLocation:         r.lsn("Latest checkpoint location"),
		CheckpointREDO:             r.lsn("Latest checkpoint's REDO location"),
		CheckpointTimeline:         r.number("Latest checkpoint's TimeLineID"),
		CheckpointPreviousTimeline: r.number("Latest checkpoint's PrevTimeLineID"),
		MinRecoveryEnd:             r.lsn("Minimum recovery ending location"),
		MinRecoveryEndTimeline:     r.number("Min recovery ending loc's timeline"),
		BackupStart:                r.lsn("Backup start location"),
		BackupEnd:                  r.lsn("Backup end location"),
		BackupEndRequired:          r.text("End-of-backup record required") == "yes",
		WALLevel:                   r.text("wal_level setting"),
		WALLogHints:                r.text("wal_log_hints setting") == "on",
		DataChecksums:              r.number("Data page checksum version") > 0,
		WALSegmentSize:             r.number("Bytes per WAL segment"),
		StandbySensitive: map[string]int64{
			"max_connections":           r.number("max_connections setting"),
			"max_worker_processes":      r.number("max_worker_processes setting"),
			"max_wal_senders":           r.number("max_wal_senders setting"),
			"max_prepared_transactions": r.number("max_prepared_xacts setting"),
			"max_locks_per_transaction": r.number("max_locks_per_xact setting"),
		},
	}
	if r.err != nil {
		return ControlData{}, r.err
	}
	return data, nil
}

// controlReader takes values by their label and keeps the first error.
type controlReader struct {
	values map[string]string
	err    error
}

func (r *controlReader) text(label string) string {
	value, ok := r.values[label]
	if !ok && r.err == nil {
		r.err = fmt.Errorf("pg_controldata: no line %q; it must run with LC_ALL=C and belong to PostgreSQL 15 or later", label)
	}
	return value
}

func (r *controlReader) number(label string) int64 {
	text := r.text(label)
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("pg_controldata: %q is %q, which is not a number", label, text)
	}
	return number
}

func (r *controlReader) lsn(label string) LSN {
	lsn, err := ParseLSN(r.text(label))
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("pg_controldata: %q: %w", label, err)
	}
	return lsn
}

func (r *controlReader) systemIdentifier() string {
	const label = "Database system identifier"
	text := r.text(label)
	if _, err := strconv.ParseUint(text, 10, 64); err != nil && r.err == nil {
		r.err = fmt.Errorf("pg_controldata: %q is %q, which is not a number", label, text)
	}
	return text
}
