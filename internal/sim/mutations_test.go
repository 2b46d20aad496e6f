//go:build sim

package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

var renew = flag.Bool("update", false, "look for a seed that finds each mutation, and keep its story")

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
		"promise_in_memory":   managed(func(r *Rules) { r.PromiseInMemory, r.Theme = true, crashes }),
		"promise_given_up": seen(func(m *election.Member) {
			if !m.Suspects {
				m.Promise = 0
			}
		}),
		"no_barrier": seen(func(m *election.Member) { m.OpensAt = 0 }),
		"barrier_by_published_pair_only": seen(func(m *election.Member) {
			if m.Running == election.RunningAsPrimary && !m.Open && m.Effective {
				m.Told = m.Lease.Quorum
			}
		}),
		"restart_forgets_what_was_told": managed(func(r *Rules) { r.ForgetsTold, r.Theme = true, networks }),
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
		"compare_by_timeline":                 managed(func(r *Rules) { r.ComparesTimelines = true }),
		"wiped_member_votes":                  managed(func(r *Rules) { r.WipedVotes = true }),
		"wiped_holder_leads":                  wipedHolderLeads(),
		"outsider_stands":                     outsiderStands(),
		"ack_counted_by_name":                 managed(func(r *Rules) { r.CountsNames, r.Theme = true, volumes }),
		"incarnation_refreshed_by_publishing": managed(func(r *Rules) { r.RefreshesIncarnations, r.Theme = true, volumes }),
		"mode_from_spec":                      managed(func(r *Rules) { r.ModeFromSpec = true }),
		"disk_that_lies":                      managed(func(r *Rules) { r.DiskLies = true }),
		"acks_from_diverged_log": seen(func(m *election.Member) {
			if !leads(m) {
				m.Lease.History = nil
			}
		}),
		"promotion_interrupted":        seen(func(m *election.Member) { m.ControlTimeline = m.Lease.Timeline }),
		"stale_lease_read":             managed(func(r *Rules) { r.ReadsCache = true }),
		"two_walsenders_of_one_member": managed(func(r *Rules) { r.TwoWalsenders, r.Theme = true, connections }),
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

// wipedHolderLeads: an instance that the Lease names takes an empty disk for the copy that it had.
func wipedHolderLeads() Rules {
	rules := seen(func(m *election.Member) {
		if m.Lease.Holder == m.Self && m.Incarnation != m.Lease.HolderIncarnation {
			m.Lease.HolderIncarnation, m.Empty, m.ControlTimeline = m.Incarnation, false, m.Lease.Timeline
		}
	})
	rules.Theme = volumes
	return rules
}

// outsiderStands: it takes itself for a member, and publishes nothing of that.
func outsiderStands() Rules {
	rules := protocol()
	joined := func(m election.Member) election.Member {
		if m.Lease.Holder != m.Self && !m.Empty {
			m.Lease.Quorum = m.Lease.Quorum.Copy()
			m.Lease.Quorum.Members[m.Incarnation] = m.Self
			m.Lease.Quorum.Required++
		}
		return m
	}
	rules.Next = func(m election.Member) election.Step {
		step := election.NextStep(joined(m))
		if step.Verb == election.WriteLease && m.Lease.Holder != m.Self {
			step.Record.Quorum = m.Lease.Quorum
		}
		return step
	}
	return rules
}

// loses something that was shown, in a world with faults or soon after they are healed.
func loses(w *World) bool {
	for step := range steps + steps/2 {
		if step == steps {
			w.Heal()
		}
		if w.Step(); w.violation != "" {
			return true
		}
	}
	return false
}

// The story of the first seed that finds each is kept: `-update` looks for it anew, in as many seeds as are given.
func TestTheSimulatorFindsTheLossInEveryBrokenProtocol(t *testing.T) {
	for name, rules := range mutations() {
		rules.LossOnly = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			isFound(t, filepath.Join("testdata", name+".txt"), rules, tale)
		})
	}
}

// Nothing is lost in these, nor does the Lease ever promise too much: two leaders could acknowledge, and by chance only one of them did.
func TestTheSimulatorFindsTwoLeadersThatCouldAcknowledge(t *testing.T) {
	for _, name := range []string{"vote_without_detaching", "outsider_stands"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			isFound(t, filepath.Join("testdata", "two_leaders", name+".txt"), mutations()[name], nothingElse)
		})
	}
}

// teller of how the world of a seed ends; found: with a violation of the kind that is looked for.
type teller func(seed uint64, rules Rules) (story string, found bool)

func isFound(t *testing.T, file string, rules Rules, tell teller) {
	t.Helper()
	if *renew {
		keep(t, file, rules, tell)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var seed uint64
	if _, err := fmt.Sscanf(string(kept), "seed %d", &seed); err != nil {
		t.Fatal(err)
	}
	story, found := tell(seed, rules)
	if !found {
		t.Errorf("it is not found with seed %d; if the world has changed, look for another one with -update", seed)
	}
	if story != string(kept) {
		t.Errorf("the story has changed; it is now\n%s", story)
	}
}

// keep the story of the first seed that finds it.
func keep(t *testing.T, file string, rules Rules, tell teller) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	for seed := range *seeds {
		if story, found := tell(seed, rules); found {
			if err := os.WriteFile(file, []byte(story), 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("it is not found in %d seeds", *seeds)
}

// nothingElse than who is able to acknowledge is violated, to the end.
func nothingElse(seed uint64, rules Rules) (story string, found bool) {
	blind := rules
	blind.AnyAcknowledges = true
	if _, otherwise := tale(seed, blind); otherwise {
		return "", false
	}
	return tale(seed, rules)
}

// tale of a seed: how it ends.
func tale(seed uint64, rules Rules) (story string, lost bool) {
	const told = 30
	w := NewWorld(seed, 2+int(seed%4), rules)
	lost = loses(w)
	end := w.story[max(0, len(w.story)-told):]
	return fmt.Sprintf("seed %d, %d instances, the last of %d moves:\n%s\n%s\n", seed, len(w.nodes), len(w.story), strings.Join(end, "\n"), w.violation), lost
}

// One that loses by the rule that another one breaks shows nothing of its own.
func TestEachBrokenProtocolHasAStoryOfItsOwn(t *testing.T) {
	stories := map[string]string{}
	for name := range mutations() {
		kept, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		if other, told := stories[string(kept)]; told {
			t.Errorf("%s and %s are the same story", name, other)
		}
		stories[string(kept)] = name
	}
}
