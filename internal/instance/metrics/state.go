package metrics

import (
	"maps"
	"slices"
	"time"
)

// Roles that an instance can have; it has one at a time.
const (
	RoleLeader  = "leader"
	RoleStandby = "standby"
	// RoleVoter has voted, and follows nobody before it has read a newer Lease.
	RoleVoter = "voter"
	// RoleNone starts, is cloned or mended, or waits.
	RoleNone = "none"
)

// State of an instance, as it sees itself in the cluster. Ages are told as of the moment of a reading.
type State struct {
	Role string
	// Term, and the timeline that belongs to it, of the Lease as it was read last; 0 before.
	Term, Timeline int64
	// Members and Required of the published quorum. Member: this instance's copy is one of them.
	Members, Required int
	Member            bool
	// Effective: PostgreSQL waits by what it was told in every process. Told of a leader alone.
	Effective bool
	// RenewedAt is when the Lease was last renewed: for its writer when it was, for others when they first read of it. Zero before.
	RenewedAt time.Time
	// HeardAt is when each other instance was last heard; without those that never were.
	HeardAt map[string]time.Time
	// CurrentAt is, for each standby of this leader, the latest time of which it is known to have everything on disk.
	CurrentAt map[string]time.Time
	// ProbeWaits is how long the write of the present probe has waited.
	ProbeWaits time.Duration
}

var (
	role            = family{"role", gauge, "1 for the role that this instance has: leader, standby, voter (it has voted, and follows nobody yet), or none."}
	term            = family{"term", gauge, "The term of the Lease as this instance read it last; it grows with each new leader."}
	leaseTimeline   = family{"lease_timeline", gauge, "The timeline of that term."}
	quorumMembers   = family{"quorum_members", gauge, "Members of the published quorum, the leader included."}
	quorumRequired  = family{"quorum_required", gauge, "How many of the members have a commit on disk before it is acknowledged, the leader included."}
	quorumMember    = family{"quorum_member", gauge, "1 when this instance is one of the members."}
	quorumEffective = family{"quorum_effective", gauge, "On the leader: 1 when every process of PostgreSQL waits by the quorum that it was told."}
	renewalAge      = family{"lease_renewal_age_seconds", gauge, "Time since the Lease was last renewed, as this instance knows it."}
	peerSilence     = family{"peer_silence_seconds", gauge, "Time since the last heartbeat of another instance; nothing before the first."}
	standbyBehind   = family{"standby_behind_seconds", gauge, "On the leader: how old a standby's copy is, or its last reply; up to two seconds where nothing is wrong. One that is lost is told of for an hour."}
	probeWaits      = family{"write_probe_waits_seconds", gauge, "How long the probe of the write path that is under way has waited; 0 for none."}
)

// stateFamilies are all that a State is told in.
func stateFamilies() []family {
	return []family{role, term, leaseTimeline, quorumMembers, quorumRequired, quorumMember, quorumEffective, renewalAge, peerSilence, standbyBehind, probeWaits}
}

func (s State) write(e *encoder, now time.Time) {
	e.head(role)
	for _, each := range []string{RoleLeader, RoleStandby, RoleVoter, RoleNone} {
		e.sample(role.name, []string{"role"}, []string{each}, flag(s.Role == each))
	}
	e.single(term, float64(s.Term))
	e.single(leaseTimeline, float64(s.Timeline))
	e.single(quorumMembers, float64(s.Members))
	e.single(quorumRequired, float64(s.Required))
	e.single(quorumMember, flag(s.Member))
	if s.Role == RoleLeader {
		e.single(quorumEffective, flag(s.Effective))
	}
	if !s.RenewedAt.IsZero() {
		e.single(renewalAge, max(now.Sub(s.RenewedAt), 0).Seconds())
	}
	writeAges(e, peerSilence, "peer", s.HeardAt, now)
	writeAges(e, standbyBehind, "standby", s.CurrentAt, now)
	e.single(probeWaits, s.ProbeWaits.Seconds())
}

func writeAges(e *encoder, f family, label string, since map[string]time.Time, now time.Time) {
	if len(since) == 0 {
		return
	}
	e.head(f)
	for _, name := range slices.Sorted(maps.Keys(since)) {
		e.sample(f.name, []string{label}, []string{name}, max(now.Sub(since[name]), 0).Seconds())
	}
}
