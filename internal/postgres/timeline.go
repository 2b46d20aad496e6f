package postgres

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fork is one line of a timeline history file: the parent timeline that was left, and where.
type Fork struct {
	// Timeline that was left; positive.
	Timeline int64
	// At is the location at which the next timeline begins.
	At LSN
	// Reason that PostgreSQL noted, such as "no recovery target specified"; for people only.
	Reason string
}

// ParseHistory reads a timeline history file: the ancestors of a timeline, the
// oldest first. Comments and empty lines are skipped, as PostgreSQL does. Timelines
// must grow from line to line, and locations must not go back: a history that
// does not hold to this was written over a dead leader's (PostgreSQL can), and
// nothing may be decided by it.
func ParseHistory(content string) ([]Fork, error) {
	var forks []Fork
	for number, line := range strings.Split(content, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fork, err := parseFork(line)
		if err != nil {
			return nil, fmt.Errorf("timeline history, line %d: %w", number+1, err)
		}
		if n := len(forks); n > 0 && fork.Timeline <= forks[n-1].Timeline {
			return nil, fmt.Errorf("timeline history, line %d: timeline %d does not come after timeline %d",
				number+1, fork.Timeline, forks[n-1].Timeline)
		}
		if n := len(forks); n > 0 && fork.At < forks[n-1].At {
			return nil, fmt.Errorf("timeline history, line %d: location %s is before %s, where the timeline began",
				number+1, fork.At, forks[n-1].At)
		}
		forks = append(forks, fork)
	}
	return forks, nil
}

func parseFork(line string) (Fork, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return Fork{}, fmt.Errorf("%q has no WAL location; expected “timeline location reason”", line)
	}
	timeline, err := parseTimeline(fields[0], 10)
	if err != nil {
		return Fork{}, err
	}
	at, err := ParseLSN(fields[1])
	if err != nil {
		return Fork{}, err
	}
	return Fork{Timeline: timeline, At: at, Reason: strings.Join(fields[2:], " ")}, nil
}

// parseTimeline reads a timeline number: 32 bits, never 0.
func parseTimeline(text string, base int) (int64, error) {
	timeline, err := strconv.ParseUint(text, base, 32)
	if err != nil || timeline == 0 {
		return 0, fmt.Errorf("%q is not a timeline number", text)
	}
	return int64(timeline), nil
}

// FormatHistory writes what ParseHistory reads. A tab or line break in a reason becomes a space.
func FormatHistory(forks []Fork) string {
	var b strings.Builder
	for _, fork := range forks {
		fmt.Fprintf(&b, "%d\t%s\t%s\n", fork.Timeline, fork.At, strings.Join(strings.Fields(fork.Reason), " "))
	}
	return b.String()
}

// HistoryFileName is the name of a timeline's history file in pg_wal: "00000003.history".
// Timeline 1 has none.
func HistoryFileName(timeline int64) string { return fmt.Sprintf("%08X.history", timeline) }

// ParseHistoryFileName is the reverse; ok is false for the name of anything else.
func ParseHistoryFileName(name string) (timeline int64, ok bool) {
	number, found := strings.CutSuffix(name, ".history")
	if !found || len(number) != 8 || !isHex32(number) {
		return 0, false
	}
	timeline, err := parseTimeline(number, 16)
	return timeline, err == nil && HistoryFileName(timeline) == name && timeline <= math.MaxUint32
}
