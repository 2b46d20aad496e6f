package election

import "time"

// Suspicion is what a member sees of its leader. It starts an election before the Lease expires; no commit hangs on it.
type Suspicion struct {
	// StreamClosed: no WAL comes; StreamSilent is how long neither WAL nor a sign of life came.
	StreamClosed bool
	StreamSilent time.Duration
	// Down: the leader's instance says that its postgres is gone. Broken: its heartbeat connection broke, and cannot be made again.
	Down, Broken bool
	// Silent is how long no heartbeat came.
	Silent time.Duration
	// Detection is how long is too long.
	Detection time.Duration
}

// Causes of a failover, as the Lease tells them.
const (
	CauseHandover    = "Handover"
	CauseReleased    = "Released"
	CauseDown        = "LeaderDown"
	CauseUnreachable = "LeaderUnreachable"
	CauseSilent      = "LeaderSilent"
	CauseForced      = "Forced"
)

// Cause for which the leader is suspected; "" where it is not. A member that still gets WAL never suspects, nor does one that
// hears the leader: one sick connection deposes nobody.
func (s Suspicion) Cause() string {
	switch {
	case !s.StreamClosed && s.StreamSilent < s.Detection:
		return ""
	case s.Down:
		return CauseDown
	case s.Broken:
		return CauseUnreachable
	case s.Silent >= s.Detection:
		return CauseSilent
	}
	return ""
}
