package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func TestAStatusThatTellsSomethingElseIsToldFromOneOfWhichPositionsMove(t *testing.T) {
	key := types.NamespacedName{Namespace: "n", Name: "c"}
	made := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Generation: 1}}
	next := func(edit func(*v1alpha1.PostgresCluster)) *v1alpha1.PostgresCluster {
		made = made.DeepCopy()
		edit(made)
		return made
	}
	ready := func(c *v1alpha1.PostgresCluster) {
		c.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: c.Generation}}
	}
	s := newStatuses()
	s.hear(nil, made)
	if s.isReady(key, 0) || s.count() != 0 {
		t.Error("a cluster without a status is ready")
	}
	before := made
	s.hear(before, next(func(c *v1alpha1.PostgresCluster) {
		ready(c)
		c.Status.Instances = []v1alpha1.InstanceStatus{{Name: "c-1", Position: "0/1"}}
	}))
	if !s.isReady(key, 1) || s.isReady(key, 2) || s.count() != 1 {
		t.Error("it is not ready for its generation, or for another one")
	}
	before = made
	s.hear(before, next(func(c *v1alpha1.PostgresCluster) { c.Status.Instances[0].Position = "0/2" }))
	before = made
	s.hear(before, next(func(c *v1alpha1.PostgresCluster) { c.Generation = 2 }))
	if s.isReady(key, 0) {
		t.Error("a spec that nobody has looked at is reached")
	}
	before = made
	s.hear(before, next(ready))
	if !s.isReady(key, 2) {
		t.Error("the next spec is not reached")
	}
	taken := s.take()
	if taken.states[key] != 2 || taken.total() != 2 || taken.live != 1 {
		t.Errorf("counted: %+v", taken)
	}
	if again := s.take(); again.total() != 0 || again.live != 0 {
		t.Errorf("what was taken is there again: %+v", again)
	}
}
