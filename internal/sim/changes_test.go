//go:build sim

package sim

import (
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// change of the quorum that is asked for, from one that is settled.
type change struct {
	from, to func(*election.Availability)
	// first half of the change, and second: it is published before PostgreSQL is told, or the other way round.
	first, second point
}

func changes() map[string]change {
	synchronous := func(standbys int) func(*election.Availability) {
		return func(a *election.Availability) { a.SynchronousStandbys = standbys }
	}
	instances := func(names ...string) func(*election.Availability) {
		return func(a *election.Availability) { a.Instances = names }
	}
	return map[string]change{
		"members_grow":   {instances("i1", "i2"), instances("i1", "i2", "i3"), leaseWrite, tellBegin},
		"members_shrink": {instances("i1", "i2", "i3"), instances("i1", "i2"), tellBegin, leaseWrite},
		"required_falls": {synchronous(2), synchronous(1), leaseWrite, tellBegin},
		"required_rises": {synchronous(1), synchronous(2), tellBegin, leaseWrite},
	}
}

// reversed: what is to be published first is told first, and the other way round.
func reversed() Rules {
	rules := done(func(m election.Member, step *election.Step) {
		change, wanted := election.NextChange(m.Lease.Quorum, m.Wanted)
		next := m.Lease.Copy()
		next.Quorum, next.Revision = change.Quorum.Copy(), next.Revision+1
		changes := wanted && step.Rule == "quorum_changes_step_by_step" && m.Told.Equal(m.Lease.Quorum)
		tooLittle := wanted && step.Rule == "told_implies_published" && m.Told.Equal(change.Quorum)
		switch {
		case changes && change.TellFirst, tooLittle && !change.TellFirst:
			step.Verb, step.Record = election.WriteLease, next
		case changes:
			step.Verb, step.Quorum = election.Tell, change.Quorum
		}
	})
	rules.LossOnly = true
	return rules
}

// Nothing is lost, whichever of the two standbys elects the next leader with what it has; and the cluster is writable again, first without the leader and then
// with it. In the reversed order something is lost.
func TestALeaderThatCrashesHalfwayThroughAChangeOfTheQuorumLosesNothing(t *testing.T) {
	for name, c := range changes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lost := 0
			for seed := range uint64(10) {
				for standby := range 2 {
					if violation := c.crashes(t, protocol(), c.second, seed, standby); violation != "" {
						t.Fatalf("seed %d: %s", seed, violation)
					}
					if c.crashes(t, reversed(), c.first, seed, standby) != "" {
						lost++
					}
				}
			}
			if lost == 0 {
				t.Error("nothing is lost in the reversed order")
			}
		})
	}
}

// crashes the leader of a world before the other half of a change; one of the standbys gets nothing meanwhile, and only it reaches the API server afterwards.
func (c change) crashes(t *testing.T, rules Rules, before point, seed uint64, standby int) (violation string) {
	t.Helper()
	w := quietBy(t, seed, 3, protocol())
	leader, behind, other := c.begin(t, w, standby)
	w.rules, w.lossOnly = rules, rules.LossOnly
	reached := false
	w.stuck = func(nd *node, here point, step election.Step) bool {
		reached = reached || nd == leader && here == before && halfway(nd, here, step)
		return reached && nd == leader
	}
	if c.to(&w.asked); !happens(w, func() bool { return reached }) {
		t.Fatalf("seed %d: the quorum does not change: %s", seed, w.violation)
	}
	behind.apiCut, other.apiCut = true, true
	w.part(leader, behind)
	for range steps / 10 {
		w.Step() // it is stuck there for a while, and PostgreSQL goes on
	}
	return w.replaced(leader, behind)
}

// begin with what the change is from, and i1 as the leader.
func (c change) begin(t *testing.T, w *World, standby int) (leader, behind, other *node) {
	t.Helper()
	leader, behind, other = w.nodes[0], w.nodes[1+standby], w.nodes[2-standby]
	if now := w.leader(); now != leader {
		now.handOver = leader.name
	}
	until(t, w, "i1 leads", func() bool { return w.leader() == leader && w.Settled() })
	c.from(&w.asked)
	until(t, w, "the quorum is what the change is from", func() bool {
		record, _, _ := w.api.Read()
		required := min(w.asked.SynchronousStandbys+1, len(w.asked.Instances))
		return len(record.Quorum.Members) == len(w.asked.Instances) && record.Quorum.Required == required &&
			leader.lease.Revision == record.Revision && leader.told.Equal(record.Quorum) && leader.effective && leader.server.Open
	})
	return leader, behind, other
}

// part two instances.
func (w *World) part(a, b *node) { w.cut[[2]*node{a, b}], w.cut[[2]*node{b, a}] = true, true }

// replaced by a standby that alone reaches the API server is a leader that crashes; then all comes back.
func (w *World) replaced(leader, by *node) (violation string) {
	w.crash(leader)
	leader.gone, w.stuck = true, nil
	clear(w.cut)
	by.apiCut = false
	happens(w, func() bool { return w.leader() == by && by.server != nil && by.server.Open && !by.server.Recovery })
	w.comesBack(leader)
	return w.violation
}

// comesBack: all is healed, first but for one, if the others can elect without it, and then with it.
func (w *World) comesBack(nd *node) {
	if w.violation != "" {
		return
	}
	w.Heal()
	if w.Electable() && !writes(w, nd.name+" is gone") {
		return
	}
	nd.gone = false
	w.Heal()
	if writes(w, "all is healed") {
		settles(w)
	}
}

// A leader that crashes while it tells, or before it learned whether what it told is published, starts with what it has written down that it told: whatever
// it reads, and whatever PostgreSQL was configured with.
func TestALeaderThatCrashesWhileItTellsOrPublishesStartsWithWhatItTold(t *testing.T) {
	for name, tc := range map[string]struct {
		broken Rules
		crash  func(change, *testing.T, Rules, uint64, int) string
	}{
		"restart_forgets_what_was_told": {managed(func(r *Rules) { r.ForgetsTold, r.LossOnly = true, true }), change.landsLate},
		"restart_keeps_what_was_set":    {managed(func(r *Rules) { r.KeepsSetting, r.LossOnly = true, true }), change.isNotConfigured},
	} {
		for _, direction := range []string{"members_shrink", "required_rises"} {
			t.Run(name+"/"+direction, func(t *testing.T) {
				t.Parallel()
				c, lost := changes()[direction], 0
				for seed := range uint64(10) {
					for standby := range 2 {
						if violation := tc.crash(c, t, protocol(), seed, standby); violation != "" {
							t.Fatalf("seed %d: %s", seed, violation)
						}
						if tc.crash(c, t, tc.broken, seed, standby) != "" {
							lost++
						}
					}
				}
				if lost == 0 {
					t.Error("nothing is lost with any seed of the broken protocol")
				}
			})
		}
	}
}

// isNotConfigured: what is told is written down when the leader crashes, and it goes on with the change when it is back.
func (c change) isNotConfigured(t *testing.T, rules Rules, seed uint64, standby int) (violation string) {
	t.Helper()
	w := quietBy(t, seed, 3, protocol())
	leader, behind, other := c.begin(t, w, standby)
	w.rules, w.lossOnly = rules, rules.LossOnly
	crashed := false
	w.stuck = func(nd *node, here point, step election.Step) bool {
		if crashed || nd != leader || here != tellWritten || step.Rule != "quorum_changes_step_by_step" {
			return false
		}
		behind.apiCut, other.apiCut, crashed = true, true, true
		w.crash(leader)
		return true
	}
	before, _, _ := w.api.Read()
	c.to(&w.asked)
	if !happens(w, func() bool {
		record, _, _ := w.api.Read()
		return crashed && !record.Quorum.Equal(before.Quorum) && leader.server != nil && leader.server.Open
	}) {
		return w.violation
	}
	w.part(leader, behind)
	for range steps / 10 {
		w.Step()
	}
	return w.replaced(leader, behind)
}

// landsLate: what the leader publishes is under way when it crashes, and lands when it is open again and cut off from the API server.
func (c change) landsLate(t *testing.T, rules Rules, seed uint64, standby int) (violation string) {
	t.Helper()
	w := quietBy(t, seed, 3, protocol())
	leader, behind, other := c.begin(t, w, standby)
	w.rules, w.lossOnly = rules, rules.LossOnly
	sent := false
	w.stuck = func(nd *node, here point, step election.Step) bool {
		publishes := nd == leader && halfway(nd, here, step) && !step.Record.Quorum.Equal(nd.lease.Quorum)
		leader.apiCut = publishes && here == leaseWrite
		if sent = publishes && here == leaseSent && len(w.api.pending) > 0; sent {
			w.crash(leader)
		}
		return sent
	}
	if c.to(&w.asked); !happens(w, func() bool { return sent }) {
		t.Fatalf("seed %d: nothing is under way: %s", seed, w.violation)
	}
	pending := w.api.pending
	w.api.Forget()
	w.stuck, leader.apiCut, behind.apiCut, other.apiCut = nil, false, true, true
	happens(w, func() bool { return leader.lease.Revision > 0 })
	leader.apiCut = true
	w.part(leader, behind)
	happens(w, func() bool { return leader.server != nil && leader.server.Open && !leader.server.Recovery })
	w.api.pending = pending
	w.api.Land(first)
	w.published()
	for range steps / 10 {
		w.Step()
	}
	return w.replaced(leader, behind)
}
