//go:build integration

package integration

import (
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestWhatIsTakenOffTheSpecsMetadataIsTakenOffPods(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "worn", "instances: 1\nteam: commerce\nmetadata: {labels: {cost: a, kept: b}, annotations: {note: c}}")
	before := exists[corev1.Pod](t, c, "worn-1")
	patched := before.DeepCopy()
	patched.Labels["theirs"], patched.Annotations["theirs"] = "stays", "stays"
	if err := c.Patch(t.Context(), patched, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		change func(*v1alpha1.PostgresClusterSpec)
		cost   string
	}{
		{func(spec *v1alpha1.PostgresClusterSpec) {
			spec.Team, spec.Metadata = "", v1alpha1.ChildMetadata{Labels: map[string]string{"kept": "b"}}
		}, ""},
		{func(spec *v1alpha1.PostgresClusterSpec) { spec.Metadata.Labels["cost"] = "again" }, "again"},
		{func(spec *v1alpha1.PostgresClusterSpec) { delete(spec.Metadata.Labels, "cost") }, ""},
	} {
		edited(t, c, "worn", func(p *v1alpha1.PostgresCluster) { step.change(&p.Spec) })
		eventually(t, "cost="+step.cost+" and what is not wanted is gone", func() bool {
			pod := exists[corev1.Pod](t, c, "worn-1")
			return pod.Labels["cost"] == step.cost && pod.Labels[naming.LabelTeam] == "" && pod.Annotations["note"] == ""
		})
	}
	after := exists[corev1.Pod](t, c, "worn-1")
	if after.UID != before.UID || after.Labels["kept"] != "b" || after.Labels["theirs"] != "stays" || after.Annotations["theirs"] != "stays" {
		t.Errorf("more was changed than asked for: %v %v", after.Labels, after.Annotations)
	}
	if after.Annotations[naming.AnnotationPodHash] != before.Annotations[naming.AnnotationPodHash] {
		t.Error("the pod forgot what it was made from")
	}
}

func TestAPodIsNotCalledPrimaryAnyMoreWhenItsInstanceDoesNotLead(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "role", "instances: 1")
	exists[coordinationv1.Lease](t, c, naming.Lease("role"))
	leads := instanceapi.Status{State: instanceapi.StateRunning, Leader: true, Postgres: &instanceapi.Postgres{Version: "17.6"}}
	stands := answering(t, c, "role", "role-1", "127.0.82.1", leads)
	hasRole := func(role string) {
		t.Helper()
		eventually(t, "the role "+role, func() bool {
			got, labelled := exists[corev1.Pod](t, c, "role-1").Labels[naming.LabelRole]
			return got == role && labelled == (role != "")
		})
	}
	hasRole("primary")
	stands.tells(instanceapi.Status{Instance: "role-1", State: instanceapi.StateStarting})
	edited(t, c, "role", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-again" })
	hasRole("")
	stands.tells(instanceapi.Status{Instance: "role-1", State: instanceapi.StateStreaming, Postgres: &instanceapi.Postgres{InRecovery: true}})
	edited(t, c, "role", func(p *v1alpha1.PostgresCluster) { p.Spec.Team = "looked-once-more" })
	hasRole("standby")
}
