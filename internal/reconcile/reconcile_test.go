package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestPhaseIsSkippedOnlyWhenWhatItRequiresIsNotDone(t *testing.T) {
	var ran []string
	step := func(name string, err error, requires ...string) Phase[*[]string] {
		return Phase[*[]string]{Name: name, Requires: requires, Run: func(_ context.Context, s *[]string) error {
			*s = append(*s, name)
			return err
		}}
	}
	Run(t.Context(), &ran, []Phase[*[]string]{
		step("grow", Stalled("StorageClassUnusable", "no")),
		step("certificates", nil),
		step("instances", Wait(0, "Starting", "soon"), "certificates"),
		step("configure", nil, "instances"),
		step("access", nil, "configure"),
		step("budget", nil),
	})
	if want := []string{"grow", "certificates", "instances", "budget"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
}

func TestWhatIsSuspendedDoesNotRunNorDoesWhatRequiresIt(t *testing.T) {
	var ran []string
	step := func(name string, requires ...string) Phase[*[]string] {
		return Phase[*[]string]{Name: name, Requires: requires, Run: func(_ context.Context, s *[]string) error {
			*s = append(*s, name)
			return nil
		}}
	}
	outcomes := Run(t.Context(), &ran, []Phase[*[]string]{step("network"), step("instances", "network"), step("budget")}, "network")
	if want := []string{"budget"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if kinds := []string{outcomes[0].Kind(), outcomes[1].Kind(), outcomes[2].Kind()}; !slices.Equal(kinds, []string{"suspended", "skipped", "done"}) {
		t.Errorf("outcomes: %v", kinds)
	}
}

func TestAPanicEndsItsPhaseAlone(t *testing.T) {
	ran := false
	outcomes := Run(t.Context(), &ran, []Phase[*bool]{
		{Name: "network", Run: func(context.Context, *bool) error { panic("no such map") }},
		{Name: "budget", Run: func(_ context.Context, ran *bool) error { *ran = true; return nil }},
	})
	var panicked *PanicError
	if !errors.As(outcomes[0].Err, &panicked) || len(panicked.Stack) == 0 || panicked.Error() != "panic: no such map" || !ran {
		t.Errorf("the outcome is %v; the other phase ran: %v", outcomes[0].Err, ran)
	}
}

func TestVitalPhasesAreNotAmongThoseThatMayBePutIntoQuarantine(t *testing.T) {
	names := NamesOf([]Phase[int]{{Name: "certificates", Vital: true}, {Name: "network"}})
	if !slices.Equal(names.Ordinary, []string{"network"}) || !slices.Equal(names.Vital, []string{"certificates"}) {
		t.Errorf("names: %v", names)
	}
}

func TestWrappedErrorsKeepTheirKind(t *testing.T) {
	verdict := Judge([]Outcome{
		{Phase: "a", Err: fmt.Errorf("reading: %w", Wait(time.Minute, "Starting", "first"))},
		{Phase: "b", Err: Wait(time.Second, "Scaling", "second")},
		{Phase: "c", Err: fmt.Errorf("deep: %w", fmt.Errorf("deeper: %w", Stalled("NameTaken", "taken")))},
		{Phase: "d", Err: errors.New("connection refused")},
		{Phase: "e", Skipped: true},
	})
	if verdict.Waiting == nil || verdict.Waiting.Message != "first" {
		t.Errorf("waiting = %v, want the first", verdict.Waiting)
	}
	if verdict.RequeueAfter != time.Second {
		t.Errorf("requeue after %v, want the soonest", verdict.RequeueAfter)
	}
	if verdict.Stalled == nil || verdict.Stalled.Reason != "NameTaken" {
		t.Errorf("stalled = %v", verdict.Stalled)
	}
	if verdict.Failed == nil || verdict.Failed.Error() != "d: connection refused" {
		t.Errorf("failed = %v", verdict.Failed)
	}
}

func TestWhatIsSuspendedByARoundIsNeitherRetriedNorWaitedForAfterIt(t *testing.T) {
	outcomes := []Outcome{{Phase: "network", Err: errors.New("forbidden")}, {Phase: "access", Err: errors.New("refused")}}
	if verdict := JudgeSuspended(outcomes, []string{"network"}); verdict.Failed == nil || verdict.Failed.Error() != "access: refused" {
		t.Errorf("failed = %v", verdict.Failed)
	}
	if verdict := JudgeSuspended(outcomes, []string{"network", "access"}); verdict != (Verdict{}) {
		t.Errorf("verdict = %+v", verdict)
	}
	if len(outcomes) != 2 || outcomes[0].Phase != "network" || outcomes[1].Phase != "access" {
		t.Errorf("the outcomes themselves were changed: %v", outcomes)
	}
}

func TestConditionsFollowTheVerdict(t *testing.T) {
	wait := &WaitError{Reason: "Scaling", Message: "2 of 3"}
	stalled := &StalledError{Reason: "NameTaken", Message: "taken"}
	for name, tc := range map[string]struct {
		verdict            Verdict
		ready              metav1.ConditionStatus
		reason             string
		reconciling, stall bool
	}{
		"nothing to do is Ready":                  {Verdict{}, metav1.ConditionTrue, "Ready", false, false},
		"waiting is Reconciling":                  {Verdict{Waiting: wait}, metav1.ConditionFalse, "Scaling", true, false},
		"failing is Reconciling":                  {Verdict{Failed: errors.New("x"), Waiting: wait}, metav1.ConditionFalse, "Retrying", true, false},
		"stalled is told first in Ready":          {Verdict{Waiting: wait, Stalled: stalled}, metav1.ConditionFalse, "NameTaken", true, true},
		"stalled alone does not claim to be busy": {Verdict{Stalled: stalled}, metav1.ConditionFalse, "NameTaken", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			// What was true before must go when it no longer holds.
			conditions := []metav1.Condition{{Type: "Reconciling", Status: "True"}, {Type: "Stalled", Status: "True"}}
			SetConditions(&conditions, 7, tc.verdict, "", "all is well")
			ready := meta.FindStatusCondition(conditions, "Ready")
			if ready.Status != tc.ready || ready.Reason != tc.reason || ready.ObservedGeneration != 7 {
				t.Errorf("Ready = %+v", ready)
			}
			if got := meta.FindStatusCondition(conditions, "Reconciling") != nil; got != tc.reconciling {
				t.Errorf("Reconciling present = %v", got)
			}
			if got := meta.FindStatusCondition(conditions, "Stalled") != nil; got != tc.stall {
				t.Errorf("Stalled present = %v", got)
			}
		})
	}
}

func TestBriefKeepsAMessageWithinItsBound(t *testing.T) {
	if got := Brief("a\n  b\tc"); got != "a b c" {
		t.Errorf("got %q", got)
	}
	if got := Brief(strings.Repeat("étoile ", 400)); len(got) > 1010 || !strings.HasSuffix(got, "étoile …") {
		t.Errorf("got %d bytes ending %q", len(got), got[len(got)-20:])
	}
}

func TestTheKeeperSuspendsWhatFailedTooOftenAndSaysHowToReleaseIt(t *testing.T) {
	keeper, now := &Keeper{Version: "v1"}, time.Unix(1000, 0)
	subject := Subject{UID: "u", Generation: 1}
	fails := func() []string {
		round := keeper.Begin(subject, Names{Ordinary: []string{"network"}}, quarantine.DefaultPolicy(), now)
		var outcomes []Outcome
		if !slices.Contains(round.Suspended(), "network") {
			outcomes = []Outcome{{Phase: "network", Err: errors.New("nobody may have it")}}
		}
		subject.Status, _ = keeper.End(round, outcomes)
		now = now.Add(time.Minute)
		return round.Suspended()
	}
	for range 11 {
		if suspended := fails(); len(suspended) != 0 {
			t.Fatalf("suspended too early: %v", subject.Status)
		}
	}
	if suspended := fails(); !slices.Equal(suspended, []string{"network"}) {
		t.Fatalf("it is not suspended: %+v", subject.Status)
	}
	condition := Quarantined("sales", "shop", subject.Status)
	for _, says := range []string{"phase network failed 11 times", "nobody may have it", "kubectl timonier release shop -n sales"} {
		if !strings.Contains(condition.Message, says) {
			t.Errorf("it does not say %q: %s", says, condition.Message)
		}
	}
	subject.Token = "today"
	if suspended := fails(); len(suspended) != 0 || subject.Status.Released != "today" {
		t.Errorf("it was released, and is suspended: %v; %+v", suspended, subject.Status)
	}
	if Quarantined("sales", "shop", contract.FailureStatus{}) != nil {
		t.Error("nothing is in quarantine, and it says so")
	}
}
