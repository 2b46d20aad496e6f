//go:build sim

package sim

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// broken rules: what each sees differently from the truth, or does otherwise.
func seen(change func(*election.Member)) Rules {
	return Rules{
		Next: func(m election.Member) election.Step { change(&m); return election.NextStep(m) },
		Vote: func(m election.Member) (election.Vote, bool) { change(&m); return m.Vote() },
	}
}

func done(change func(election.Member, *election.Step)) Rules {
	return Rules{
		Next: func(m election.Member) election.Step { step := election.NextStep(m); change(m, &step); return step },
		Vote: election.Member.Vote,
	}
}

func managed(change func(*Rules)) Rules {
	rules := protocol()
	change(&rules)
	return rules
}

func mutations() map[string]Rules {
	leads := func(m *election.Member) bool { return m.Lease.Holder == m.Self }
	return map[string]Rules{
		"vote_without_detaching": seen(func(m *election.Member) {
			if !leads(m) {
				m.Attached = false
			}
		}),
		"compare_by_position": seen(func(m *election.Member) { m.Position.Term = 0 }),
		"promise_in_memory":   managed(func(r *Rules) { r.PromiseInMemory = true }),
		"promise_given_up": seen(func(m *election.Member) {
			if !m.Suspects {
				m.Promise = 0
			}
		}),
		"no_barrier": seen(func(m *election.Member) { m.OpensAt = 0 }),
		"barrier_by_published_pair_only": seen(func(m *election.Member) {
			// A renewal would void what may land yet, and so hide it.
			m.Settled = true
			if m.Running == election.RunningAsPrimary && !m.Open && m.Effective {
				m.Told = m.Lease.Quorum
			}
		}),
		"restart_forgets_what_was_told": func() Rules {
			r := seen(func(m *election.Member) { m.Settled = true })
			r.ForgetsTold = true
			return r
		}(),
		"told_but_not_effective": func() Rules {
			r := seen(func(m *election.Member) { m.Effective = true })
			r.CountsAnyWalsender = true
			return r
		}(),
		"change_based_on_postgres_not_on_published": seen(func(m *election.Member) {
			if leads(m) && m.Open {
				m.Lease.Quorum = m.Told
			}
		}),
		"member_swapped": done(func(m election.Member, step *election.Step) {
			if step.Rule != "quorum_changes_step_by_step" || step.Verb != election.WriteLease || len(step.Record.Quorum.Members) <= len(m.Lease.Quorum.Members) {
				return
			}
			for _, incarnation := range slices.Sorted(maps.Keys(m.Lease.Quorum.Members)) {
				if incarnation != m.Incarnation {
					delete(step.Record.Quorum.Members, incarnation)
					return
				}
			}
		}),
		"acks_from_diverged_log":       seen(func(m *election.Member) { m.Lease.History = nil }),
		"promotion_interrupted":        seen(func(m *election.Member) { m.ControlTimeline = m.Lease.Timeline }),
		"stale_lease_read":             managed(func(r *Rules) { r.ReadsCache = true }),
		"two_walsenders_of_one_member": managed(func(r *Rules) { r.TwoWalsenders = true }),
		"timeline_number_reused": done(func(m election.Member, step *election.Step) {
			if step.Rule == "voter_stays_detached" && step.Verb == election.WriteLease {
				step.Record.Timeline = m.Timeline + 1
				step.Record.History[len(step.Record.History)-1].Timeline = m.Timeline + 1
			}
		}),
		"dead_leader_names_successor": done(func(m election.Member, step *election.Step) {
			if step.Rule != "leader_that_leaves_stops_first" || step.Verb != election.WriteLease {
				return
			}
			for _, incarnation := range slices.Sorted(maps.Keys(m.Lease.Quorum.Members)) {
				if incarnation != m.Incarnation {
					step.Record.Holder, step.Record.HolderIncarnation = m.Lease.Quorum.Members[incarnation], incarnation
					step.Record.Term, step.Record.Timeline = step.Record.Term+1, step.Record.Timeline+1
					return
				}
			}
		}),
	}
}

func TestTheSimulatorFindsTheLossInEveryBrokenProtocol(t *testing.T) {
	for name, rules := range mutations() {
		t.Run(name, func(t *testing.T) {
			for seed := range *seeds {
				if w := try(seed, rules); strings.Contains(w.violation, "shown") || strings.Contains(w.violation, "acknowledged") {
					t.Logf("seed %d: %s", seed, w.violation)
					return
				}
			}
			t.Errorf("nothing was lost in %d seeds", *seeds)
		})
	}
}
