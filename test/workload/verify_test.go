package workload

import (
	"slices"
	"testing"
	"time"
)

// swap is an exchange on key 1 from one second to another.
func swap(saw, wrote int64, call, end int) Exchange {
	return Exchange{Key: 1, Saw: saw, Wrote: wrote, Known: true, Call: time.Duration(call), Return: time.Duration(end)}
}

// unknown is one that nobody knows the fate of.
func unknown(wrote int64, call int) Exchange {
	return Exchange{Key: 1, Wrote: wrote, Call: time.Duration(call)}
}

func TestExchangesFitAnOrderOrDoNot(t *testing.T) {
	for what, test := range map[string]struct {
		history []Exchange
		fits    bool
	}{
		"one after the other":                              {[]Exchange{swap(0, 1, 1, 2), swap(1, 2, 3, 4), swap(2, -1, 5, 6)}, true},
		"at the same time, in either order":                {[]Exchange{swap(2, 1, 1, 4), swap(0, 2, 2, 3), swap(1, -1, 5, 6)}, true},
		"a write that was acknowledged and is lost":        {[]Exchange{swap(0, 1, 1, 2), swap(1, 2, 3, 4), swap(1, -1, 5, 6)}, false},
		"the very first write is lost":                     {[]Exchange{swap(0, 1, 1, 2), swap(0, -1, 5, 6)}, false},
		"a stale read":                                     {[]Exchange{swap(0, 1, 1, 2), swap(1, 2, 3, 4), swap(1, 3, 5, 6), swap(3, -1, 7, 8)}, false},
		"a value that two see before them":                 {[]Exchange{swap(0, 1, 1, 4), swap(0, 2, 1, 4), swap(2, -1, 5, 6)}, false},
		"a value that nobody wrote":                        {[]Exchange{swap(0, 1, 1, 2), swap(7, -1, 5, 6)}, false},
		"a write of unknown fate that happened":            {[]Exchange{swap(0, 1, 1, 2), unknown(2, 3), swap(2, -1, 5, 6)}, true},
		"a write of unknown fate that did not happen":      {[]Exchange{swap(0, 1, 1, 2), unknown(2, 3), swap(1, -1, 5, 6)}, true},
		"a write of unknown fate that took effect late":    {[]Exchange{unknown(9, 1), swap(0, 1, 2, 3), swap(1, 2, 4, 5), swap(9, -1, 6, 7)}, true},
		"a write of unknown fate seen before it was sent":  {[]Exchange{swap(9, 1, 1, 2), unknown(9, 3), swap(1, -1, 5, 6)}, false},
		"a write of unknown fate that came, and went away": {[]Exchange{unknown(9, 1), swap(9, 1, 2, 3), swap(0, -1, 4, 5)}, false},
	} {
		illegal, undecided := linearity(test.history, time.Minute)
		if len(undecided) > 0 {
			t.Errorf("%s: not decided", what)
		}
		if fits := len(illegal) == 0; fits != test.fits {
			t.Errorf("%s: fits is %t", what, fits)
		}
	}
}

func TestKeysAreLookedAtOneByOne(t *testing.T) {
	other := swap(5, 1, 1, 2)
	other.Key = 2
	illegal, _ := linearity([]Exchange{swap(0, 5, 1, 2), other}, time.Minute)
	if !slices.Equal(illegal, []int{2}) {
		t.Errorf("the keys that fit no order are %v", illegal)
	}
}

// TestAKeyWithAsManyUnknownFatesAsThereCanBeIsDecided holds that the bound of operations for each key is low enough.
func TestAKeyWithAsManyUnknownFatesAsThereCanBeIsDecided(t *testing.T) {
	var history []Exchange
	last := int64(0)
	for i := int64(1); i < int64(Defaults().PerKey); i++ {
		if i%2 == 0 {
			history = append(history, unknown(i, int(3*i)))
			continue
		}
		history = append(history, swap(last, i, int(3*i), int(3*i)+1))
		last = i
		if i%5 == 0 { // one of those unknown happened in between
			history = append(history, unknown(100+i, int(3*i)+1))
			last = 100 + i
		}
	}
	good := append(slices.Clone(history), swap(last, -1, 1000, 1001))
	if illegal, undecided := linearity(good, 10*time.Second); len(illegal)+len(undecided) > 0 {
		t.Errorf("a history that fits: illegal %v, undecided %v", illegal, undecided)
	}
	bad := append(slices.Clone(history), swap(1, -1, 1000, 1001))
	if illegal, undecided := linearity(bad, 10*time.Second); len(illegal) != 1 || len(undecided) > 0 {
		t.Errorf("a history that does not fit: illegal %v, undecided %v", illegal, undecided)
	}
}

func TestWhatIsThereIsComparedWithWhatWasAcknowledged(t *testing.T) {
	row := func(n int64) Row { return Row{Worker: 1, Sequence: n} }
	fates := map[Row]fate{}
	for i, outcome := range []Outcome{Acknowledged, Acknowledged, Unknown, Unknown, Refused, Refused} {
		fates[row(int64(i+1))] = fate{outcome: outcome}
	}
	found := compare(fates, map[Row]bool{row(1): true, row(3): true, row(5): true}, Concession{})
	if !slices.Equal(found.lost, []Row{row(2)}) || len(found.conceded) > 0 {
		t.Errorf("lost: %v, conceded: %v", found.lost, found.conceded)
	}
	if !slices.Equal(found.phantoms, []Row{row(5)}) {
		t.Errorf("refused and there: %v", found.phantoms)
	}
	if err := (Verdict{LostRows: found.lost}).Err(); err == nil {
		t.Error("a verdict with a lost row is no error")
	}
	if err := (Verdict{Undecided: []int{1}}).Err(); err == nil {
		t.Error("a verdict that is not certain is no error")
	}
	if err := (Verdict{}).Err(); err != nil {
		t.Errorf("an empty verdict is an error: %v", err)
	}
}

func TestWhatIsConcededMayBeMissingAndNothingBeforeOrAfterIt(t *testing.T) {
	conceded := Concession{From: 10, To: 20}
	row := func(n int64) Row { return Row{Sequence: n} }
	fates := map[Row]fate{
		row(1): {Acknowledged, 8, 9}, row(2): {Acknowledged, 9, 10}, row(3): {Acknowledged, 19, 21},
		row(4): {Acknowledged, 20, 21}, row(5): {Acknowledged, 12, 13}, row(6): {Refused, 14, 15},
	}
	found := compare(fates, map[Row]bool{row(5): true, row(6): true}, conceded)
	want := difference{lost: []Row{row(1), row(4)}, conceded: []Row{row(2), row(3)}, phantoms: []Row{row(6)}}
	for what, lists := range map[string][2][]Row{
		"lost": {found.lost, want.lost}, "conceded": {found.conceded, want.conceded}, "refused and there": {found.phantoms, want.phantoms},
	} {
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s: %v, want %v", what, lists[0], lists[1])
		}
	}
	for what, test := range map[string]struct {
		history []Exchange
		fits    bool
	}{
		"one within is missing":                          {[]Exchange{swap(0, 1, 5, 6), swap(1, 2, 12, 13), swap(1, -1, 30, 31)}, true},
		"all within are missing, that saw each other":    {[]Exchange{swap(0, 1, 11, 12), swap(1, 2, 12, 13), swap(0, 3, 21, 22), swap(3, -1, 30, 31)}, true},
		"one within is there":                            {[]Exchange{swap(0, 1, 11, 12), swap(1, -1, 30, 31)}, true},
		"one before is missing":                          {[]Exchange{swap(0, 1, 5, 6), swap(0, -1, 30, 31)}, false},
		"one after is missing":                           {[]Exchange{swap(0, 1, 20, 21), swap(0, -1, 30, 31)}, false},
		"one within was seen after, and is missing then": {[]Exchange{swap(0, 1, 11, 12), swap(1, 2, 21, 22), swap(0, -1, 30, 31)}, false},
	} {
		illegal, undecided := linearity(conceding(test.history, conceded), time.Minute)
		if len(undecided) > 0 || (len(illegal) == 0) != test.fits {
			t.Errorf("%s: illegal %v, undecided %v", what, illegal, undecided)
		}
	}
}
