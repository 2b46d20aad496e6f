package instanceapi

import "time"

// Heartbeat is what an instance tells the others twice a second, and at every change.
type Heartbeat struct {
	Instance    string `json:"instance"`
	Incarnation string `json:"incarnation,omitempty"`
	// Leads: its postgres runs as primary. Down: it leads, and its postgres is gone.
	Leads bool `json:"leads,omitempty"`
	Down  bool `json:"down,omitempty"`
	// Timeline that a primary writes, 0 for a standby. A leader that wrote a lost Lease again goes on with the former one, and the Lease has reserved the next.
	Timeline int64 `json:"timeline,omitempty"`
	// CheckpointTimeline is that of its last checkpoint: whoever rewinds from it waits until that is the one that it writes.
	CheckpointTimeline int64 `json:"checkpointTimeline,omitempty"`
	// Eligible: it is a standby that streams, and could lead.
	Eligible bool `json:"eligible,omitempty"`
	// Shut: it is a standby that lets no readers in now.
	Shut bool `json:"shut,omitempty"`
	// Stale: it is a standby whose replay stands still though it has WAL, so that what it shows gets older.
	Stale bool `json:"stale,omitempty"`
	// Replayed is how far a standby has replayed, and Term that of the leader that it replays from. They are told while the leader hands over.
	Replayed string `json:"replayed,omitempty"`
	Term     int64  `json:"term,omitempty"`
	// HandsOver names the instance that this leader is about to pass the Lease to.
	HandsOver string `json:"handsOver,omitempty"`
	// Replacing: another build takes this program's place now, so that its connections end and can be made again a moment later.
	Replacing bool `json:"replacing,omitempty"`
	// Vote that it has cast, nil for none.
	Vote *Vote `json:"vote,omitempty"`
	// Asks the members to follow for another lease duration: a leader in asynchronous mode that cannot renew its lease. Grants repeats what was asked
	// last: whoever says so takes the Lease no sooner than a lease duration after it heard that.
	Asks   *Ask `json:"asks,omitempty"`
	Grants *Ask `json:"grants,omitempty"`
}

// Ask for a reprieve.
type Ask struct {
	Term int64 `json:"term"`
	// Program that asks, and how long after its start it did, in milliseconds.
	Program      string `json:"program"`
	Milliseconds int64  `json:"milliseconds"`
}

// Sent is how long after the start of the program it was asked.
func (a Ask) Sent() time.Duration { return time.Duration(a.Milliseconds) * time.Millisecond }

// Equal tells whether two say the same.
func (h Heartbeat) Equal(other Heartbeat) bool {
	same := equal(h.Vote, other.Vote) && equal(h.Asks, other.Asks) && equal(h.Grants, other.Grants)
	h.Vote, h.Asks, h.Grants = other.Vote, other.Asks, other.Grants
	return same && h == other
}

func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// Vote of a member: see election.Vote.
type Vote struct {
	Revision int64  `json:"revision"`
	Term     int64  `json:"term"`
	Position string `json:"position"`
}
