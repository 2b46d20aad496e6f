package reconcile

import (
	"errors"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestThoseThatFailRepeatedlyTakeAQuarterOfTheWorkersAtMost(t *testing.T) {
	for workers, room := range map[int]int{1: 1, 2: 1, 8: 2, 16: 4} {
		offenders := NewOffenders(workers)
		var leave func()
		for n := range room {
			var ok bool
			if leave, ok = offenders.Enter(); !ok {
				t.Fatalf("%d workers: no room for offender %d", workers, n+1)
			}
		}
		if _, ok := offenders.Enter(); ok {
			t.Errorf("%d workers: room for more than %d offenders", workers, room)
		}
		leave()
		if _, ok := offenders.Enter(); !ok {
			t.Errorf("%d workers: one has left, and there is no room", workers)
		}
	}
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
