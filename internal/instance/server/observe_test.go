package server

import (
	"math"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/naming"
)

// PostgreSQL cuts what is longer without a word, and two members could then count as one.
func TestAnApplicationNameIsNotCutAndTellsItsMember(t *testing.T) {
	const kept, terms = 63, math.MaxInt32 // leaseTransitions is an int32
	instance, incarnation := naming.Instance(strings.Repeat("c", naming.MaxClusterName), 99), strings.Repeat("i", 12)
	name := ApplicationName(instance, incarnation, terms)
	if len(name) > kept {
		t.Errorf("%s has %d characters; PostgreSQL keeps %d", name, len(name), kept)
	}
	if gotInstance, gotIncarnation, term := member(name); gotInstance != instance || gotIncarnation != incarnation || term != terms {
		t.Errorf("%s is read as instance %s, incarnation %s, term %d", name, gotInstance, gotIncarnation, term)
	}
	for _, other := range []string{"", "psql", "timonier_clone", "a.b", "a.b.c.d", "a.b.!"} {
		if _, incarnation, _ := member(other); incarnation != "" {
			t.Errorf("%q is taken for a member with incarnation %s", other, incarnation)
		}
	}
}
