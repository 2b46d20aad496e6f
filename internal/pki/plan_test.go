package pki

import (
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"
)

const day = 24 * time.Hour

// year is a policy with round numbers: rotation at day 200, an overlap of ten days.
var year = Policy{
	AuthorityLifetime: 300 * day, LeafLifetime: 90 * day, RenewFraction: 2.0 / 3,
	Propagation: time.Hour, Overlap: 10 * day,
}

func plan(t *testing.T, at time.Time, state State, seen Observed) Decision {
	t.Helper()
	decision, err := Plan(at, rand.Reader, year, identity(KindClient), state, seen)
	if err != nil {
		t.Fatal(err)
	}
	if decision.Changed == sameState(state, decision.State) {
		t.Errorf("Changed is %v", decision.Changed)
	}
	if !decision.NextCheck.After(at) {
		t.Errorf("the next check, at %s, is not in the future", decision.NextCheck)
	}
	return decision
}

// published is what is seen when a state was published, with a leaf of signer, and every instance uses it.
func published(t *testing.T, state State, signer Authority, at time.Time) Observed {
	t.Helper()
	made := leaf(t, signer, at, ServerRequest("orders", []string{"a"}, year.LeafLifetime))
	seen := Observed{Bundle: state.Bundle(), Leaves: []*x509.Certificate{made.Certificate}}
	loaded := Loaded{Leaves: []string{made.Fingerprint()}}
	for _, certificate := range seen.Bundle {
		loaded.Trusts = append(loaded.Trusts, Fingerprint(certificate))
	}
	seen.Instances = []Loaded{loaded, loaded}
	return seen
}

func TestTheFirstAuthorityIsMadeAndRestsUntilItIsDue(t *testing.T) {
	first := plan(t, start, State{}, Observed{})
	if !first.State.Current.CanSign() || first.State.Next.Exists() || first.Step != StepNone {
		t.Fatalf("step %s, state %+v", first.Step, first.State.Times)
	}
	again := plan(t, start.Add(199*day), first.State, published(t, first.State, first.State.Current, start))
	if again.Changed || !again.NextCheck.Equal(start.Add(200*day)) {
		t.Errorf("changed %v, next check %s", again.Changed, again.NextCheck)
	}
}

func TestEachStepWaitsForTheFormerOneToArriveEverywhere(t *testing.T) {
	state := plan(t, start, State{}, Observed{}).State
	old := state.Current
	before := published(t, state, old, start.Add(195*day))

	at := start.Add(200 * day)
	made := plan(t, at, state, before)
	if made.Step != StepPublish || made.State.Current.Fingerprint() != old.Fingerprint() {
		t.Fatalf("step %s", made.Step)
	}
	if !made.State.Times.PublishedAt.IsZero() {
		t.Error("published before anything was seen published")
	}

	// The bundle is out, and no instance has read it; much later one still has not.
	out := before
	out.Bundle = made.State.Bundle()
	noted := plan(t, at.Add(time.Minute), made.State, out)
	if !noted.State.Times.PublishedAt.Equal(at.Add(time.Minute)) {
		t.Errorf("published at %s", noted.State.Times.PublishedAt)
	}
	oneLate := published(t, noted.State, old, start.Add(195*day))
	oneLate.Instances[1].Trusts = oneLate.Instances[1].Trusts[:1]
	if got := plan(t, at.Add(50*day), noted.State, oneLate); got.Changed {
		t.Error("went on although an instance does not trust the successor")
	}
	silent := published(t, noted.State, old, start.Add(195*day))
	silent.Instances[1] = Loaded{}
	if got := plan(t, at.Add(50*day), noted.State, silent); got.Changed {
		t.Error("went on although an instance does not answer")
	}

	// All have read it, but clients had no time to.
	all := published(t, noted.State, old, start.Add(195*day))
	if got := plan(t, at.Add(9*day), noted.State, all); got.Changed {
		t.Error("went on before clients had time to read the bundle")
	}
	taken := plan(t, at.Add(11*day), noted.State, all)
	if taken.Step != StepSwitch || taken.State.Current.Fingerprint() != noted.State.Next.Fingerprint() ||
		taken.State.Previous.Fingerprint() != old.Fingerprint() || taken.State.Previous.CanSign() {
		t.Fatalf("step %s", taken.Step)
	}

	// Leaves of the former authority are still in use.
	at = at.Add(11 * day)
	if got := plan(t, at.Add(80*day), taken.State, published(t, taken.State, Authority{Certificate: old.Certificate, Key: old.Key}, at)); got.Changed {
		t.Error("retired an authority whose leaves are published")
	}
	reissued := published(t, taken.State, taken.State.Current, at)
	late := reissued
	late.Instances = []Loaded{reissued.Instances[0], {Trusts: reissued.Instances[1].Trusts, Leaves: before.Instances[0].Leaves}}
	retiring := plan(t, at.Add(time.Minute), taken.State, late)
	if !retiring.State.Times.ReissuedAt.Equal(at.Add(time.Minute)) {
		t.Fatalf("reissued at %s", retiring.State.Times.ReissuedAt)
	}
	if got := plan(t, at.Add(20*day), retiring.State, late); got.Changed {
		t.Error("retired an authority whose leaf an instance still uses")
	}
	if got := plan(t, at.Add(9*day), retiring.State, reissued); got.Changed {
		t.Error("retired before monitoring and clients had time")
	}
	done := plan(t, at.Add(11*day), retiring.State, reissued)
	if done.Step != StepNone || done.State.Previous.Exists() {
		t.Errorf("step %s", done.Step)
	}
}

func TestAnInstanceThatIsAwayDoesNotLetTheOthersExpire(t *testing.T) {
	state := plan(t, start, State{}, Observed{}).State
	state = plan(t, start.Add(200*day), state, published(t, state, state.Current, start.Add(199*day))).State
	away := published(t, state, state.Current, start.Add(220*day))
	away.Instances[1] = Loaded{}
	state = plan(t, start.Add(220*day), state, away).State
	last := start.Add(270 * day) // a tenth of its life is left
	if got := plan(t, last.Add(-time.Minute), state, away); got.Step != StepPublish {
		t.Errorf("step %s", got.Step)
	}
	got := plan(t, last, state, away)
	if got.Step != StepSwitch || len(got.Notes) != 2 {
		t.Errorf("step %s, notes %q", got.Step, got.Notes)
	}
	// Its predecessor is trusted to its end, since what is away may still use what it signed.
	back := published(t, got.State, got.State.Current, last)
	back.Instances[1] = Loaded{}
	kept := plan(t, last.Add(29*day), got.State, back)
	if !kept.State.Previous.Exists() {
		t.Error("retired although an instance does not answer")
	}
	if gone := plan(t, last.Add(31*day), kept.State, back); gone.State.Previous.Exists() {
		t.Error("an expired authority is kept")
	}
}

func TestClientsGetTheTimeThatThereIsAfterALongAbsence(t *testing.T) {
	state := plan(t, start, State{}, Observed{}).State
	seen := published(t, state, state.Current, start.Add(250*day))
	// Back five days before the expiry, half of the overlap.
	back := start.Add(290 * day)
	state = plan(t, back, state, seen).State
	seen = published(t, state, state.Current, start.Add(250*day))
	state = plan(t, back, state, seen).State
	if got := plan(t, start.Add(293*day), state, seen); got.Step != StepPublish {
		t.Errorf("step %s while there is time for clients", got.Step)
	}
	if got := plan(t, start.Add(294*day), state, seen); got.Step != StepSwitch {
		t.Errorf("step %s, and the authority expires in six days", got.Step)
	}
}

func TestAfterALongAbsenceAllIsPublishedAtOnce(t *testing.T) {
	state := plan(t, start, State{}, Observed{}).State
	seen := published(t, state, state.Current, start)
	got := plan(t, start.Add(301*day), state, seen)
	if got.State.Current.Fingerprint() == state.Current.Fingerprint() || !got.State.Current.CanSign() || len(got.Notes) == 0 {
		t.Errorf("the expired authority still signs; notes %q", got.Notes)
	}
	if err := verify(got.State.Current.Certificate, start.Add(301*day), x509.ExtKeyUsageAny, got.State.Bundle()...); err != nil {
		t.Error(err)
	}
}

func TestALostKeyIsReplacedWhileWhatItSignedStaysTrusted(t *testing.T) {
	state := plan(t, start, State{}, Observed{}).State
	seen := published(t, state, state.Current, start)
	keyless := State{Current: Authority{Certificate: state.Current.Certificate}}
	for name, lost := range map[string]State{"key damaged": keyless, "Secret deleted": {}} {
		t.Run(name, func(t *testing.T) {
			got := plan(t, start.Add(day), lost, seen)
			if got.State.Current.Fingerprint() != state.Current.Fingerprint() || got.State.Current.CanSign() {
				t.Error("what is in use is no longer trusted")
			}
			if got.Step != StepPublish || !got.State.Next.CanSign() {
				t.Errorf("step %s: no successor is being made", got.Step)
			}
		})
	}
	t.Run("nothing signed is left", func(t *testing.T) {
		seen := Observed{Bundle: seen.Bundle}
		if got := plan(t, start.Add(day), keyless, seen); !got.State.Current.CanSign() {
			t.Error("nobody can sign, and nothing is worth waiting for")
		}
	})
	t.Run("a leaf is lost as well", func(t *testing.T) {
		seen := seen
		seen.Incomplete = true
		if got := plan(t, start.Add(day), keyless, seen); !got.State.Current.CanSign() {
			t.Error("nobody can make the leaf that is missing")
		}
	})
	t.Run("everything is gone", func(t *testing.T) {
		if got := plan(t, start.Add(day), State{}, Observed{Instances: seen.Instances}); !got.State.Current.CanSign() {
			t.Error("nobody can sign")
		}
	})
}

func TestAuthoritiesOfOthersAreNotAdopted(t *testing.T) {
	foreign := authority(t, KindClient, start, year.AuthorityLifetime)
	ours := authority(t, KindClient, start, year.AuthorityLifetime)
	seen := Observed{
		Bundle: []*x509.Certificate{leaf(t, foreign, start, OperatorRequest(day)).Certificate},
		Leaves: []*x509.Certificate{leaf(t, ours, start, OperatorRequest(day)).Certificate},
	}
	if got := plan(t, start, State{}, seen); !got.State.Current.CanSign() {
		t.Error("a certificate that is no authority was adopted")
	}
}

func TestPolicies(t *testing.T) {
	for _, kind := range []Kind{KindPeer, KindClient} {
		for _, lifetime := range []time.Duration{5 * time.Minute, time.Hour, day, 365 * day, DefaultAuthorityLifetime} {
			if err := NewPolicy(kind, lifetime, DefaultLeafLifetime).Validate(); err != nil {
				t.Errorf("%s for %s: %v", kind, lifetime, err)
			}
		}
	}
	for name, wrong := range map[string]Policy{
		"too short":     NewPolicy(KindPeer, 4*time.Minute, time.Minute),
		"leaf outlives": {AuthorityLifetime: time.Hour, LeafLifetime: 2 * time.Hour, RenewFraction: 0.5, Propagation: time.Second},
		"no fraction":   {AuthorityLifetime: time.Hour, LeafLifetime: time.Hour, Propagation: time.Second},
		"no time":       {AuthorityLifetime: time.Hour, LeafLifetime: time.Hour, RenewFraction: 0.5},
		"no room":       {AuthorityLifetime: time.Hour, LeafLifetime: time.Hour, RenewFraction: 0.5, Propagation: time.Minute, Overlap: 50 * time.Minute},
	} {
		if wrong.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
