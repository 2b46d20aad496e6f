package reconcile

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestThoseThatFailRepeatedlyTakeAnEighthOfTheWorkersAtMostAndComeLast(t *testing.T) {
	for workers, room := range map[int]int{1: 1, 8: 1, 16: 2, 32: 4} {
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
		if again := offenders.Backoff().When(named(room + 1)); again != noRoomWait {
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
