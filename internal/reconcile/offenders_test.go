package reconcile

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestThoseThatFailRepeatedlyTakeAQuarterOfTheWorkersAtMostAndComeLast(t *testing.T) {
	for workers, room := range map[int]int{1: 1, 2: 1, 8: 2, 16: 4} {
		offenders := NewOffenders(workers)
		worked := 0
		var work func(n int) func() (ctrl.Result, error)
		work = func(n int) func() (ctrl.Result, error) { // the n-th at the same time, and within it one more
			return func() (ctrl.Result, error) {
				worked = n
				return offenders.Work(named(n+1), true, work(n+1))
			}
		}
		result, err := offenders.Work(named(1), true, work(1))
		if worked != room || err != nil || result.Priority == nil || *result.Priority != LowPriority {
			t.Errorf("%d workers: %d offenders were worked on at the same time; %+v, %v", workers, worked, result, err)
		}
		if again := offenders.Backoff().When(named(room + 1)); again != offenderPause {
			t.Errorf("%d workers: there was no room, and it is looked at again after %s", workers, again)
		}
		if _, err := offenders.Work(named(1), true, work(1)); worked != room || err != nil {
			t.Errorf("%d workers: all have left, and there was room for %d: %v", workers, worked, err)
		}
	}
}

func TestOneThatSucceedsAsARuleComesWhenItIsItsTurn(t *testing.T) {
	offenders, done := NewOffenders(1), ctrl.Result{RequeueAfter: time.Second}
	_, err := offenders.Work(named(1), true, func() (ctrl.Result, error) {
		return offenders.Work(named(2), false, func() (ctrl.Result, error) { return done, nil })
	})
	if result, _ := offenders.Work(named(2), false, func() (ctrl.Result, error) { return done, nil }); err != nil || result != done {
		t.Errorf("%+v, %v", result, err)
	}
}

func named(n int) ctrl.Request {
	return ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: strconv.Itoa(n)}}
}

func TestAnObjectOffendsAfterThreeFailuresAndNoMoreOnceItSucceeds(t *testing.T) {
	keeper := &Keeper{}
	end := func(err error) {
		round := keeper.Begin(Subject{UID: "u"}, Names{Ordinary: []string{"network"}}, quarantine.DefaultPolicy(), time.Unix(1000, 0))
		keeper.End(round, []Outcome{{Phase: "network", Err: err}})
	}
	for n := range 3 {
		if keeper.Offends("u") {
			t.Fatalf("it offends after %d failures", n)
		}
		end(errors.New("nobody may have it"))
	}
	if !keeper.Offends("u") {
		t.Error("it does not offend after three failures")
	}
	other := &Keeper{}
	other.Recall("u", keeper.ledger.Peek("u"))
	if !other.Offends("u") {
		t.Error("to another operator it does not offend")
	}
	end(nil)
	if keeper.Offends("u") {
		t.Error("it succeeded, and offends")
	}
}

func TestWhatHasFailedRepeatedlyIsLeftInPeaceForSecondsAndWhatPassesIsNot(t *testing.T) {
	offenders, failure := NewOffenders(1), errors.New("nobody may have it")
	queue := offenders.Backoff()
	fails := func(object int, offends bool, failure error) time.Duration {
		if _, err := offenders.Work(named(object), offends, func() (ctrl.Result, error) { return ctrl.Result{}, failure }); !errors.Is(err, failure) {
			t.Errorf("the failure is %v", err)
		}
		return queue.When(named(object))
	}
	for n := range 5 {
		if wait := fails(1, false, failure); wait > 100*time.Millisecond {
			t.Errorf("it has failed %d times, and is tried in %s", n+1, wait)
		}
		if wait := fails(2, true, failure); wait != offenderPause {
			t.Errorf("it fails again and again, and is tried in %s", wait)
		}
		if wait := fails(3, true, context.DeadlineExceeded); wait > 100*time.Millisecond {
			t.Errorf("it fails by what passes, and is tried in %s", wait)
		}
	}
	if _, err := offenders.Work(named(2), true, func() (ctrl.Result, error) { return ctrl.Result{}, nil }); err != nil {
		t.Fatal(err)
	}
	queue.Forget(named(2))
	if wait := fails(2, false, failure); wait > 50*time.Millisecond {
		t.Errorf("it has succeeded, and after the next failure it is tried in %s", wait)
	}
}

func TestNobodyWaitsLongerThanAMinuteForTheNextAttempt(t *testing.T) {
	queue := NewBackoff[string]()
	last := time.Duration(0)
	for range 40 {
		last = queue.When("shop")
	}
	if last != time.Minute {
		t.Errorf("after forty failures it is tried in %s", last)
	}
	queue.NoRoom("shop")
	if again := queue.When("shop"); again > 5*time.Second {
		t.Errorf("there was no room for it, and it is to wait for %s", again)
	}
	if after := queue.When("shop"); after != time.Minute {
		t.Errorf("that there was no room has its back-off forgotten: %s", after)
	}
	if first := queue.When("sales"); first > time.Second {
		t.Errorf("another one waits for it: %s", first)
	}
}
