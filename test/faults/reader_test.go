package faults

import (
	"testing"
	"time"
)

func TestAnAnswerIsStaleThatLacksWhatWasAcknowledgedBeforeItWasAskedFor(t *testing.T) {
	at := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	// Row 1 is acknowledged after one second, another one at each second from the fifth on.
	latest := func(by time.Duration) int64 {
		if by < at(5) {
			return min(int64(by/time.Second), 1)
		}
		return int64(by / time.Second)
	}
	for _, c := range []struct {
		name    string
		answers []answer
		count   int
		span    time.Duration
	}{
		{"nothing is asked", nil, 0, 0},
		{"nothing is missing", []answer{{at(1), at(2), 1}, {at(4), at(5), 1}}, 0, 0},
		{"it was asked before the row that it lacks", []answer{{at(4), at(9), 1}}, 0, 0},
		{"one that shows more than was acknowledged", []answer{{at(4), at(4), 2}}, 0, 0},
		{"cut off", []answer{{at(3), at(3), 1}, {at(6), at(6), 1}, {at(7), at(7), 1}, {at(8), at(9), 1}}, 3, at(3)},
		{"thawed", []answer{{at(3), at(9), 1}, {at(9), at(10), 1}}, 1, at(1)},
	} {
		if count, span := stale(c.answers, latest); count != c.count || span != c.span {
			t.Errorf("%s: %d within %s, want %d within %s", c.name, count, span, c.count, c.span)
		}
	}
}
