package stage

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestEachStageSaysHowLongItTook(t *testing.T) {
	var out strings.Builder
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	log := New("postgres", &out, func() time.Time { return clock })

	pass := func() error { clock = clock.Add(41200 * time.Millisecond); return nil }
	broken := errors.New("broken")
	fail := func() error { clock = clock.Add(time.Second); return broken }
	if err := log.Run("download", pass); err != nil {
		t.Error(err)
	}
	if err := log.Run("layer", fail); !errors.Is(err, broken) {
		t.Errorf("the error of the stage is lost: %v", err)
	}
	want := "[postgres] download 41.2s\n[postgres] layer 1.0s failed\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
