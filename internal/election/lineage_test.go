package election

import (
	"reflect"
	"testing"
)

func TestALineOutlivesTheLeaseThatDropsIt(t *testing.T) {
	first := Fork{Term: 1, Timeline: 1, At: "0/0"}
	second := Fork{Term: 2, Timeline: 2, At: "0/10"}
	lineage := Lineage{}
	if !lineage.Learn(Record{History: []Fork{first, second}}) {
		t.Error("what was never read is no news")
	}
	third := Fork{Term: 3, Timeline: 3, At: "0/8"}
	lineage.Learn(Record{History: []Fork{first, third}})
	if lineage.Learn(Record{History: []Fork{first, third}}) {
		t.Error("what was read before is news")
	}
	for timeline, want := range map[int64][]Fork{1: {first}, 2: {first, second}, 3: {first, third}, 4: nil} {
		if got := lineage.Line(timeline); !reflect.DeepEqual(got, want) {
			t.Errorf("the line of %d is %v, not %v", timeline, got, want)
		}
	}
	if lineage.Term(2) != 2 {
		t.Error("the term of a timeline is not what was read")
	}
}

func TestAForkThatWasCorrectedCounts(t *testing.T) {
	lineage := Lineage{}
	lineage.Learn(Record{History: []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 2, Timeline: 2, At: "0/10"}}})
	lineage.Learn(Record{History: []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 2, Timeline: 2, At: "0/12"}}})
	if line := lineage.Line(2); line[1].At != "0/12" {
		t.Errorf("timeline 2 forks at %s", line[1].At)
	}
}

func TestAHistoryThatWasCutOffForgetsNoParent(t *testing.T) {
	all := []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 2, Timeline: 2, At: "0/10"}, {Term: 3, Timeline: 3, At: "0/20"}}
	lineage := Lineage{}
	lineage.Learn(Record{History: all})
	lineage.Learn(Record{History: all[1:]})
	if line := lineage.Line(3); !reflect.DeepEqual(line, all) {
		t.Errorf("the line of 3 is %v", line)
	}
}

// What a copy got before it got WAL of a term that it never read of may have been acknowledged.
func TestATimelineThatWasNeverReadOfIsTakenForTheOneBefore(t *testing.T) {
	lineage := Lineage{}
	lineage.Learn(Record{History: []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 5, Timeline: 4, At: "0/10"}, {Term: 8, Timeline: 7, At: "0/20"}}})
	for timeline, want := range map[int64]int64{0: 0, 1: 1, 2: 1, 3: 1, 4: 5, 6: 5, 7: 8, 9: 8} {
		if term := lineage.Term(timeline); term != want {
			t.Errorf("timeline %d is taken for one of term %d, not %d", timeline, term, want)
		}
	}
	if term := (Lineage{}).Term(3); term != 0 {
		t.Errorf("nothing was ever read, and it is taken for one of term %d", term)
	}
}
