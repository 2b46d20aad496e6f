package sim

import "slices"

// Record of the WAL. Its place in the WAL is its position.
type Record struct {
	// Timeline that it was written on.
	Timeline int64
	// Writer tells records apart that two servers wrote at one position under one number of a timeline.
	Writer int
	// Value that a client wrote; 0 for a record of PostgreSQL's own, as that of a promotion.
	Value int
}

// Data is one copy of a system's data: what survives a crash of everything that runs.
type Data struct {
	// WAL that is on disk. A disk that lies loses the last Unsynced of them with its power.
	WAL      []Record
	Unsynced int
	// Timeline in pg_control: that of the last checkpoint, which a promotion reaches after its end of recovery.
	Timeline int64
	// ShutDown: pg_control says that it was stopped in an orderly way.
	ShutDown bool
	// Begun are the timelines that have a real history file here: a promotion to one of them takes another number.
	Begun map[int64]bool
	// StandbySignal: it is started in recovery.
	StandbySignal bool
	// ConsistentAt is the position that recovery must reach before the data is consistent: after a base backup and a rewind.
	ConsistentAt int
	// Setting is synchronous_standby_names in postgresql.conf.
	Setting Setting
}

// Has tells whether the copy holds exactly this record at this position.
func (d *Data) Has(position int, record Record) bool {
	return position < len(d.WAL) && d.WAL[position] == record
}

// LosePower forgets what was never synced.
func (d *Data) LosePower() {
	d.WAL = d.WAL[:len(d.WAL)-min(d.Unsynced, len(d.WAL))]
	d.Unsynced = 0
}

// LastTimeline is that of the last record, 0 for none.
func (d *Data) LastTimeline() int64 {
	if len(d.WAL) == 0 {
		return 0
	}
	return d.WAL[len(d.WAL)-1].Timeline
}

// Setting is synchronous_standby_names: ANY Number (Names). The zero Setting is empty: commits wait for nobody.
type Setting struct {
	Number int
	Names  []string
}

func (s Setting) empty() bool { return s.Number == 0 }

func (s Setting) copy() Setting { return Setting{s.Number, slices.Clone(s.Names)} }

// Equal settings.
func (s Setting) Equal(other Setting) bool {
	return s.Number == other.Number && slices.Equal(s.Names, other.Names)
}
