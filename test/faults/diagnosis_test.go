package faults

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatTheInstanceManagerSaidIsToldAlsoWherePostgreSQLSaysALot(t *testing.T) {
	log := `{"logger":"timonier","msg":"giving the Lease up"}` + "\n"
	for n := range 1000 {
		log += fmt.Sprintf(`{"logger":"postgres","message":"still waiting %d"}`+"\n", n)
	}
	got := told(log)
	if !strings.HasPrefix(got, `{"logger":"timonier","msg":"giving the Lease up"}`) || !strings.HasSuffix(got, "still waiting 999\"}\n") {
		t.Errorf("it tells\n%s", got)
	}
	if lines := strings.Count(got, "\n"); lines != 41 {
		t.Errorf("it tells %d lines", lines)
	}
	if got := told("one line\n"); got != "one line\n" {
		t.Errorf("of one line it tells %q", got)
	}
}
