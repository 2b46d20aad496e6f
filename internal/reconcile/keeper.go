package reconcile

import (
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// Reasons of the condition Quarantined.
const (
	ReasonRetriesExhausted = "RetriesExhausted"
	ReasonPanicked         = "Panicked"
)

// Keeper remembers what fails, of all objects of one kind. Each controller has one.
type Keeper struct {
	// Version of this operator.
	Version string

	census quarantine.Census
	ledger quarantine.Ledger
}

// Subject is the object at hand.
type Subject struct {
	UID        types.UID
	Generation int64
	// References is a hash of the Secrets and ConfigMaps that its spec names, "" where that is not known: it need not be while nothing fails.
	References string
	// Token of the release that a person asks for, "" for none.
	Token string
	// HandsOff: it is left alone, so that nothing in quarantine is tried again, and nothing is forgotten.
	HandsOff bool
	// Status is what was written of its failures.
	Status contract.FailureStatus
}

// Round is one reconcile of one object.
type Round struct {
	// Released are the phases that are tried again by this round, and why.
	Released []quarantine.Release

	uid    types.UID
	facts  quarantine.Facts
	opened contract.FailureStatus
}

// Begin a round of these phases, by the policy in force. Of other phases nothing is remembered.
func (k *Keeper) Begin(subject Subject, phases Names, policy quarantine.Policy, now time.Time) Round {
	facts := quarantine.Facts{
		Now: now, Generation: subject.Generation, OperatorVersion: k.Version, References: subject.References,
		Token: subject.Token, Phases: phases.Ordinary, Vital: phases.Vital, Policy: policy, HandsOff: subject.HandsOff, Shared: k.census.Shares,
	}
	opened, released := quarantine.Open(k.ledger.Of(subject.UID, subject.Status), facts)
	return Round{Released: released, uid: subject.UID, facts: facts, opened: opened}
}

// Suspended are the phases that are not to run in this round.
func (r Round) Suspended() []string { return quarantine.Suspended(r.opened) }

// NextAttempt is when something is to be tried again that is suspended after this round, by what End returned; zero for never, as long as the object is left alone.
func (r Round) NextAttempt(status contract.FailureStatus) time.Time {
	if r.facts.HandsOff {
		return time.Time{}
	}
	return quarantine.NextAttempt(status)
}

// Once is what is to be done before all else, and is done again for as long as it fails. The zero value is ready to use.
type Once struct {
	mutex sync.Mutex
	done  bool
}

// Do it, unless it was done.
func (o *Once) Do(what func() error) error {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.done {
		return nil
	}
	err := what()
	o.done = err == nil
	return err
}

// Recall what another operator wrote down of an object. Before the first round of a kind this is to be done for all its objects: what most of them fail by
// is known then, and none is put into quarantine for having been looked at first.
func (k *Keeper) Recall(uid types.UID, status contract.FailureStatus) {
	var reasons []string
	for _, failure := range status.Failures {
		reasons = append(reasons, failure.Reason)
	}
	for _, entry := range status.Quarantine {
		reasons = append(reasons, entry.Reason)
	}
	slices.Sort(reasons)
	k.census.Recall(string(uid), slices.Compact(reasons))
	k.ledger.Recall(uid, status)
}

// End a round with how its phases ended. What it returns is to be in the object's status.
func (k *Keeper) End(round Round, outcomes []Outcome) (contract.FailureStatus, quarantine.Changes) {
	attempts := Attempts(outcomes)
	k.census.Attempted(string(round.uid), failsBy(attempts, round.opened, round.facts))
	status, changes := quarantine.Close(round.opened, round.facts, attempts, k.census.Shares)
	k.ledger.Keep(round.uid, status)
	return status, changes
}

// WorthWriting tells whether what is known of failures is to be written to the status, which has something else, now.
func (k *Keeper) WorthWriting(uid types.UID, has, known contract.FailureStatus, now time.Time) bool {
	return k.ledger.WorthWriting(uid, has, known, now)
}

// Written notes that the status has it.
func (k *Keeper) Written(uid types.UID, status contract.FailureStatus, now time.Time) {
	k.ledger.Written(uid, status, now)
}

// Shared is what most objects of the kind fail by, so that none of them is put into quarantine for it.
func (k *Keeper) Shared() (quarantine.Common, bool) { return k.census.Shared() }

// Forget an object that is gone.
func (k *Keeper) Forget(uid types.UID) {
	k.census.Forget(string(uid))
	k.ledger.Forget(uid)
}

// Quarantined is the condition of the object of this name, nil where nothing of it is in quarantine. It stays while something is tried again.
func Quarantined(namespace, name string, status contract.FailureStatus) *metav1.Condition {
	if len(status.Quarantine) == 0 {
		return nil
	}
	entry := status.Quarantine[0]
	condition := &metav1.Condition{Type: conditionQuarantined, Status: metav1.ConditionTrue, Reason: ReasonRetriesExhausted}
	if entry.Reason == ReasonPanic {
		condition.Reason = ReasonPanicked
	}
	more := ""
	if others := len(status.Quarantine) - 1; others > 0 {
		more = fmt.Sprintf(" (and %d more: status.quarantine)", others)
	}
	failed, goesOn := fmt.Sprintf("failed %d times", entry.Count), "it is suspended with what depends on it, all else goes on; it is tried again at the time in status.quarantine, or once the spec or what it names is changed, or at once by"
	if entry.Trying {
		// How often is no part of it: where others fail alike it is tried on, and each attempt would be another text.
		failed, goesOn = "fails", "it is being tried again, and goes back if it fails once more; it can be released again by"
	}
	condition.Message = Brief(fmt.Sprintf("phase %s %s%s: %s. Mend that: %s `kubectl timonier release %s -n %s`",
		entry.Phase, failed, more, entry.Message, goesOn, name, namespace))
	return condition
}
