package quarantine

import (
	"strconv"
	"testing"
)

func census(of int, failing map[string]int) *Census {
	c := &Census{}
	n := 0
	for reason, count := range failing {
		for range count {
			c.Attempted(strconv.Itoa(n), []string{reason})
			n++
		}
	}
	for ; n < of; n++ {
		c.Attempted(strconv.Itoa(n), nil)
	}
	return c
}

func TestACauseIsSharedByMoreThanHalfAndAtLeastFive(t *testing.T) {
	for name, tc := range map[string]struct {
		census *Census
		want   string
	}{
		"nothing":                      {&Census{}, ""},
		"four of four":                 {census(4, map[string]int{"Forbidden": 4}), ""},
		"five of five":                 {census(5, map[string]int{"Forbidden": 5}), "Forbidden"},
		"five of ten":                  {census(10, map[string]int{"Forbidden": 5}), ""},
		"six of eleven":                {census(11, map[string]int{"Forbidden": 6}), "Forbidden"},
		"for several reasons":          {census(10, map[string]int{"Forbidden": 4, "Invalid": 4}), ""},
		"most of them for one of them": {census(10, map[string]int{"Forbidden": 3, "Invalid": 6}), "Invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			common, ok := tc.census.Shared()
			if ok != (tc.want != "") || common.Reason != tc.want {
				t.Errorf("shared: %+v, %v; want %q", common, ok, tc.want)
			}
			if tc.want != "" && !tc.census.Shares(tc.want) || tc.census.Shares("Other") {
				t.Errorf("it does not tell by the reason")
			}
		})
	}
}

func TestOfSeveralReasonsThatMostObjectsFailForEachIsShared(t *testing.T) {
	c := &Census{}
	for n := range 8 {
		c.Attempted(strconv.Itoa(n), []string{"Error"})
	}
	for n := range 6 {
		c.Attempted(strconv.Itoa(n), []string{"Error", "Forbidden"})
	}
	if common, ok := c.Shared(); !ok || common.Reason != "Error" || !c.Shares("Error") || !c.Shares("Forbidden") || c.Shares("Invalid") {
		t.Errorf("shared: %+v, %v; Forbidden: %v", common, ok, c.Shares("Forbidden"))
	}
}

func TestOnlyTheLatestAttemptCountsAndWhatIsGoneDoesNot(t *testing.T) {
	c := census(9, map[string]int{"Forbidden": 9})
	for n := range 5 {
		c.Attempted(strconv.Itoa(n), nil)
	}
	if common, ok := c.Shared(); ok {
		t.Errorf("five succeeded since, and it is shared: %+v", common)
	}
	for n := range 2 {
		c.Forget(strconv.Itoa(n))
	}
	c.Attempted("8", []string{"Forbidden"})
	c.Attempted("2", []string{"Forbidden"})
	if common, ok := c.Shared(); !ok || common != (Common{"Forbidden", 5, 7}) {
		t.Errorf("five of seven: %+v, %v", common, ok)
	}
}

func TestWhatAnotherOperatorWroteDownCountsUntilThereIsAnAttempt(t *testing.T) {
	c := &Census{}
	c.Attempted("0", nil)
	for n := range 6 {
		c.Recall(strconv.Itoa(n), []string{"Forbidden"})
	}
	if common, ok := c.Shared(); !ok || common != (Common{"Forbidden", 5, 6}) {
		t.Errorf("shared: %+v, %v", common, ok)
	}
	c.Attempted("1", nil)
	if common, ok := c.Shared(); ok {
		t.Errorf("an attempt says otherwise, and it is shared: %+v", common)
	}
}
