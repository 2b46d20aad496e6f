package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what the outcomes of all phases mean together.
type Verdict struct {
	// Stalled is the first thing that a person must act on, nil where there is none.
	Stalled *StalledError
	// Waiting is the first thing that is being waited for, nil where there is none.
	Waiting *WaitError
	// Failed joins the errors that are tried again with back-off; nil where there are none.
	Failed error
	// RequeueAfter is the soonest time that a phase asked for; zero where none did.
	RequeueAfter time.Duration
}

// Judge says what the outcomes mean together.
func Judge(outcomes []Outcome) Verdict {
	var verdict Verdict
	for _, outcome := range outcomes {
		if outcome.Err == nil {
			continue
		}
		if wait, ok := asWait(outcome.Err); ok {
			if verdict.Waiting == nil {
				verdict.Waiting = wait
			}
			verdict.RequeueAfter = soonest(verdict.RequeueAfter, wait.After)
			continue
		}
		if stalled, ok := asStalled(outcome.Err); ok {
			if verdict.Stalled == nil {
				verdict.Stalled = stalled
			}
			continue
		}
		verdict.Failed = errors.Join(verdict.Failed, fmt.Errorf("%s: %w", outcome.Phase, outcome.Err))
	}
	return verdict
}

// JudgeSuspended judges outcomes of a round after which these phases are suspended: how one of them ended is in its entry of the quarantine, and it is
// neither retried nor waited for.
func JudgeSuspended(outcomes []Outcome, suspended []string) Verdict {
	return Judge(slices.DeleteFunc(slices.Clone(outcomes), func(o Outcome) bool { return slices.Contains(suspended, o.Phase) }))
}

func soonest(a, b time.Duration) time.Duration {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Brief cuts a message to what a condition may hold, at a word where it can.
func Brief(message string) string {
	const limit = 1000
	message = strings.Join(strings.Fields(message), " ")
	if len(message) <= limit {
		return message
	}
	cut := strings.ToValidUTF8(message[:limit], "")
	if space := strings.LastIndexByte(cut, ' '); space > limit/2 {
		cut = cut[:space]
	}
	return cut + " …"
}
