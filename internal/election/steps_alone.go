package election

import (
	"fmt"

	"github.com/timonier-io/timonier/internal/postgres"
)

// Steps by which a member takes the Lease without enough votes: something may be lost, and somebody has accepted that.

// asynchronousMemberTakesWhatExpired: where commits wait for nobody, the lease's clock decides, and no vote can tell what is lost. The
// published mode counts, never the one that is asked for. It has promised like a voter, and lets those go first that are ahead.
func asynchronousMemberTakesWhatExpired(m Member) *Step {
	own, votes := m.Vote()
	switch {
	case m.Lease.Quorum.Mode != ModeAsynchronous || !m.Expired || !m.isMember():
		return nil
	case !votes || m.Promise < m.Lease.Revision || m.APISilent:
		return nil
	case Diverged(m.Lease, m.Timeline, m.Position.At) || len(m.line()) == 0 || m.lacks() > m.MaxLag:
		return nil
	case nobodyIsAhead(m.Lease, own, valid(m.Lease, m.Votes)) != "":
		return nil
	}
	return &Step{Verb: WriteLease, Record: m.taken(m.Lease.Term + 1)}
}

// lacks how many bytes of what the leader had at its last renewal.
func (m Member) lacks() int64 {
	published, err := postgres.ParseLSN(m.Lease.Position)
	if err != nil || published <= m.Position.At {
		return 0
	}
	return int64(published - m.Position.At)
}

// lacksTooMuch tells a person why nobody leads: this member would take the Lease if it lacked less. "" where that is not why.
func (m Member) lacksTooMuch() string {
	if _, votes := m.Vote(); !votes || m.Lease.Quorum.Mode != ModeAsynchronous || !m.Expired || m.lacks() <= m.MaxLag {
		return ""
	}
	leader := m.Lease.Quorum.Members[m.Lease.HolderIncarnation]
	return fmt.Sprintf("it lacks %d bytes of what the primary, %s, had when it renewed the Lease last, and spec.availability.maxLag allows %d. Bring %s back; or allow more, and lose that",
		m.lacks(), leader, m.MaxLag, leader)
}

// forcedMemberLeadsAlone: it is the only member then, and others join it. What they have and it lacks is lost.
func forcedMemberLeadsAlone(m Member) *Step {
	switch {
	case !m.Force || m.holds():
		return nil
	case !m.Fresh:
		return &Step{Verb: ReadLease}
	case m.Attached:
		return &Step{Verb: Detach}
	case !m.Replayed || !m.Consistent || len(m.line()) == 0 || m.Running != RunningAsStandby:
		return nil
	}
	alone := m.taken(m.Lease.Term + 1)
	alone.Quorum.Members, alone.Quorum.Required = map[string]string{m.Incarnation: m.Self}, 1
	return &Step{Verb: WriteLease, Record: alone}
}
