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
