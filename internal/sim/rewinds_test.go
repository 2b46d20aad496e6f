//go:build sim

package sim

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// pg_rewind over its own half or whole result finds nothing to do where there is: a former leader that crashes in the middle is neither started nor rewound once more.
func TestARewindThatIsInterruptedIsNotRepeatedAndTheCopyIsClonedAgain(t *testing.T) {
	for _, at := range []point{rewindBegin, rewindDone} {
		t.Run(string(at), func(t *testing.T) {
			for seed := range uint64(20) {
				w, former := interrupted(t, seed, at)
				incarnation := former.incarnation
				until(t, w, "it is started again", func() bool { return former.server != nil })
				until(t, w, "all are members", w.Settled)
				until(t, w, "writes pass", w.writesOn())
				if former.incarnation == incarnation {
					t.Errorf("seed %d: it is %s as it was before", seed, former.incarnation)
				}
				w, _ = interrupted(t, seed, at)
				w.rules = seen(func(m *election.Member) { m.Broken = false })
				happens(w, func() bool { return false })
				if !strings.Contains(w.violation, "whose rewind was interrupted") {
					t.Errorf("seed %d: where it is taken for whole, nobody notices: %s", seed, w.violation)
				}
			}
		})
	}
}

// interrupted at a point is the rewind of a leader that was cut off, and wrote on for nobody while another one was elected.
func interrupted(t *testing.T, seed uint64, at point) (w *World, former *node) {
	t.Helper()
	w = quietBy(t, seed, 3, protocol())
	former = w.leader()
	for _, nd := range w.nodes {
		w.part(former, nd)
	}
	former.apiCut = true
	w.write(former)
	until(t, w, "another one leads", func() bool {
		leader := w.leader()
		return leader != nil && leader != former && leader.server != nil && leader.server.Open && !leader.server.Recovery
	})
	clear(w.cut)
	former.apiCut = false
	w.stuck = func(nd *node, here point, _ election.Step) bool {
		if nd != former || here != at {
			return false
		}
		w.stuck = nil
		w.crash(former)
		return true
	}
	until(t, w, "it crashes", func() bool { return !former.up })
	return w, former
}
