package loadbalancer

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// machine has nodes that pass their checks, or do not.
type machine struct {
	silent map[string]bool
	asked  map[string]int
}

func newMachine() *machine { return &machine{silent: map[string]bool{}, asked: map[string]int{}} }

func (m *machine) probe(_ context.Context, e endpoint) bool {
	m.asked[e.address]++
	return !m.silent[e.address]
}

func nodesAt(addresses ...string) []*corev1.Node {
	var nodes []*corev1.Node
	for _, address := range addresses {
		n := &corev1.Node{}
		n.Name = "node-" + address
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
		nodes = append(nodes, n)
	}
	return nodes
}

func TestANodeThatMissesChecksNowAndThenKeepsItsTraffic(t *testing.T) {
	m := newMachine()
	c, nodes := newChecks(m.probe), nodesAt("one", "two")
	for range 5 {
		for _, silent := range []bool{true, true, false} {
			m.silent["two"] = silent
			if got := choose(t.Context(), &corev1.Service{}, nodes, "two", c); got != "two" {
				t.Fatalf("traffic went to %q", got)
			}
			c.nextRound()
		}
	}
}

func TestANodeThatIsGoneIsLeftWithinSeconds(t *testing.T) {
	m := newMachine()
	c, nodes := newChecks(m.probe), nodesAt("one", "two", "three")
	m.silent["one"], m.silent["two"] = true, true
	// It may have gone just after a check, and every check of it waits for an answer.
	longest := checkEvery
	for choose(t.Context(), &corev1.Service{}, nodes, "two", c) == "two" {
		if longest += checkEvery + answersWithin; longest > 5*time.Second {
			t.Fatalf("it still has its traffic after %s", longest)
		}
		c.nextRound()
	}
	if got := choose(t.Context(), &corev1.Service{}, nodes, "two", c); got != "three" {
		t.Errorf("traffic went to %q, which does not pass", got)
	}
}

func TestServicesThatChangeDoNotMakeANodeMissMoreChecks(t *testing.T) {
	m := newMachine()
	c, nodes := newChecks(m.probe), nodesAt("one", "two")
	m.silent["two"] = true
	for range 2 * lostAfter {
		if got := choose(t.Context(), &corev1.Service{}, nodes, "two", c); got != "two" {
			t.Fatalf("within one round traffic went to %q", got)
		}
	}
	if m.asked["two"] != 1 {
		t.Errorf("the node was asked %d times in one round", m.asked["two"])
	}
}

func TestWithoutANodeThatPassesThereIsNoTraffic(t *testing.T) {
	m := newMachine()
	c, nodes := newChecks(m.probe), nodesAt("one", "two")
	m.silent["one"], m.silent["two"] = true, true
	present := "two"
	for range lostAfter {
		present = choose(t.Context(), &corev1.Service{}, nodes, present, c)
		c.nextRound()
	}
	if present != "" {
		t.Errorf("traffic goes to %q", present)
	}
	m.silent["two"] = false
	if got := choose(t.Context(), &corev1.Service{}, nodes, present, c); got != "two" {
		t.Errorf("when a node is back traffic goes to %q", got)
	}
}
