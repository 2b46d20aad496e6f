package instanceapi

// Heartbeat is what an instance tells the others twice a second, and at every change.
type Heartbeat struct {
	Instance    string `json:"instance"`
	Incarnation string `json:"incarnation,omitempty"`
	// Leads: its postgres runs as primary. Down: it leads, and its postgres is gone.
	Leads bool `json:"leads,omitempty"`
	Down  bool `json:"down,omitempty"`
	// CheckpointTimeline is that of its last checkpoint: whoever rewinds from it waits until that is the Lease's.
	CheckpointTimeline int64 `json:"checkpointTimeline,omitempty"`
	// Eligible: it is a standby that streams, and could lead.
	Eligible bool `json:"eligible,omitempty"`
	// Replayed is how far a standby has replayed, and Term that of the leader that it replays from. They are told while the leader hands over.
	Replayed string `json:"replayed,omitempty"`
	Term     int64  `json:"term,omitempty"`
	// HandsOver names the instance that this leader is about to pass the Lease to.
	HandsOver string `json:"handsOver,omitempty"`
	// Vote that it has cast, nil for none.
	Vote *Vote `json:"vote,omitempty"`
}

// Equal tells whether two say the same.
func (h Heartbeat) Equal(other Heartbeat) bool {
	a, b := h.Vote, other.Vote
	h.Vote, other.Vote = nil, nil
	return h == other && (a == nil) == (b == nil) && (a == nil || *a == *b)
}

// Vote of a member: see election.Vote.
type Vote struct {
	Revision int64  `json:"revision"`
	Term     int64  `json:"term"`
	Position string `json:"position"`
	ToReplay int64  `json:"toReplay,omitempty"`
}
