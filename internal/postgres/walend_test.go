package postgres

import (
	"context"
	"strings"
	"testing"
)

func TestTheEndOfTheWALIsUnknownWhereAPromotionWasNotCheckpointed(t *testing.T) {
	never := func(context.Context, string, ...string) (string, error) {
		t.Error("the WAL of one timeline was read")
		return "", nil
	}
	control := ControlData{CheckpointTimeline: 1, MinRecoveryEndTimeline: 2, WALSegmentSize: 16 << 20}
	if _, err := WALEnd(t.Context(), never, t.TempDir(), control); err == nil || !strings.Contains(err.Error(), "begins on timeline 1 and ends on 2") {
		t.Errorf("it says %v", err)
	}
}

func TestARecordEndsBehindTheHeadersOfThePagesThatItCrosses(t *testing.T) {
	const segment = 1 << 20
	for sentence, tc := range map[string]struct {
		at, length, end LSN
		isSwitch        bool
	}{
		"within a page it is aligned":              {0x100028, 50, 0x100060, false},
		"to the end of a page it has no header":    {0x101FC8, 56, 0x102000, false},
		"over a page it has a short one":           {0x101FC8, 60, 0x102020, false},
		"over a segment it has a long one":         {0x1FFFC8, 60, 0x200030, false},
		"over two pages it has two":                {0x101FC8, 56 + 8168 + 8, 0x104020, false},
		"a switch takes the rest of its segment":   {0x100028, 24, 0x200000, true},
		"at the end of a segment there is no rest": {0x1FFFE8, 24, 0x200000, true},
	} {
		if end := recordEnd(tc.at, tc.length, segment, tc.isSwitch); end != tc.end {
			t.Errorf("%s: it ends at %s, not at %s", sentence, end, tc.end)
		}
	}
}
