package workload

import (
	"testing"
	"time"
)

func seconds(values ...int) []time.Duration {
	var out []time.Duration
	for _, v := range values {
		out = append(out, time.Duration(v)*time.Second)
	}
	return out
}

func TestTheLongestGapBetweenAcknowledgedWrites(t *testing.T) {
	for what, test := range map[string]struct {
		acks      []time.Duration
		from, now int
		want      int
		open      bool
	}{
		"in the middle":                            {seconds(1, 2, 7, 8), 0, 9, 5, false},
		"not before what is looked at":             {seconds(1, 6, 7, 9, 10), 6, 11, 2, false},
		"begun before what is looked at":           {seconds(1, 6, 7), 3, 8, 5, false},
		"the time before the first does not count": {seconds(5, 6, 8), 0, 9, 2, false},
		"still open":                               {seconds(1, 2, 3), 0, 10, 7, true},
		"never acknowledged":                       {nil, 0, 10, 10, true},
	} {
		got := longest(test.acks, time.Duration(test.from)*time.Second, time.Duration(test.now)*time.Second)
		if got.Length() != time.Duration(test.want)*time.Second || got.Open != test.open {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestForHowLongWritesWereSteady(t *testing.T) {
	for what, test := range map[string]struct {
		acks       []time.Duration
		since, now int
		want       int
	}{
		"all the time":               {seconds(1, 2, 3, 4), 1, 4, 3},
		"only as far as looked back": {seconds(1, 2, 3, 4), 3, 4, 1},
		"after a gap":                {seconds(1, 2, 5, 6), 0, 6, 1},
		"not now":                    {seconds(1, 2, 3), 0, 6, 0},
		"never":                      {nil, 0, 6, 0},
	} {
		got := steadyFor(test.acks, time.Second, time.Duration(test.since)*time.Second, time.Duration(test.now)*time.Second)
		if got != time.Duration(test.want)*time.Second {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestNoKeyIsUsedMoreOftenThanAllowed(t *testing.T) {
	k := newKeyring(2, 3, 4)
	uses := map[int]int{}
	first, second := k.take(), k.take()
	if first == second {
		t.Error("two keys are to be in use at the same time")
	}
	k.giveBack(first)
	uses[second]++
	for key := k.take(); key != 0; key = k.take() {
		uses[key]++
	}
	for key := 1; key <= 3; key++ {
		if uses[key] != 4 {
			t.Errorf("key %d was used %d times, not 4", key, uses[key])
		}
	}
}

func TestTheLatestRowThatWasAcknowledgedByATime(t *testing.T) {
	m := newMeter()
	for sequence, outcome := range []Outcome{Acknowledged, Refused, Acknowledged} {
		m.note(int64(sequence+1), fate{outcome: outcome, end: time.Duration(sequence+1) * time.Second}, nil)
	}
	for by, want := range []int64{0, 1, 1, 3, 3} {
		if got := m.latest(time.Duration(by) * time.Second); got != want {
			t.Errorf("by %d s it is row %d, want %d", by, got, want)
		}
	}
}
