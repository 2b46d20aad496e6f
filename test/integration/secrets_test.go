//go:build integration

package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// given makes a user's own Secret.
func given(t *testing.T, c client.Client, name string, data map[string][]byte) *corev1.Secret {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Data: data}
	if data[corev1.DockerConfigJsonKey] != nil {
		secret.Type = corev1.SecretTypeDockerConfigJson
	}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	return secret
}

// secretMissing waits until the cluster is stalled for it, with these words.
func secretMissing(t *testing.T, c client.Client, name string, words ...string) {
	t.Helper()
	eventually(t, name+" misses a Secret: "+strings.Join(words, ", "), func() bool {
		stalled := meta.FindStatusCondition(exists[v1alpha1.PostgresCluster](t, c, name).Status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil || stalled.Reason != v1alpha1.ReasonSecretMissing {
			return false
		}
		for _, word := range words {
			if !strings.Contains(stalled.Message, word) {
				return false
			}
		}
		return true
	})
}

// lookedAgain has the operator read what it does not watch.
func lookedAgain(t *testing.T, c client.Client, name string) {
	t.Helper()
	edited(t, c, name, func(p *v1alpha1.PostgresCluster) { p.Spec.Team += "x" })
}

func notStalled(t *testing.T, c client.Client, name string) {
	t.Helper()
	eventually(t, name+" is not stalled", func() bool {
		return !meta.IsStatusConditionTrue(exists[v1alpha1.PostgresCluster](t, c, name).Status.Conditions, v1alpha1.ConditionStalled)
	})
}

func TestAMissingPullSecretIsToldAndStopsNoPod(t *testing.T) {
	c := operatorRuns(t)
	given(t, c, "pull-empty", map[string][]byte{"password": []byte("no registry's")})
	asked(t, c, "pull", "instances: 1\nimagePullSecrets: [{name: pull-here}]")
	secretMissing(t, c, "pull", "spec.imagePullSecrets[0]", "pull-here")
	before := exists[corev1.Pod](t, c, "pull-1")
	given(t, c, "pull-here", map[string][]byte{corev1.DockerConfigJsonKey: []byte("{}")})
	lookedAgain(t, c, "pull")
	notStalled(t, c, "pull")

	for _, other := range []string{"pull-nowhere", "pull-empty"} {
		edited(t, c, "pull", func(p *v1alpha1.PostgresCluster) {
			p.Spec.ImagePullSecrets = []v1alpha1.SecretReference{{Name: "pull-here"}, {Name: other}}
		})
		secretMissing(t, c, "pull", "spec.imagePullSecrets[1]", other)
		if after := exists[corev1.Pod](t, c, "pull-1"); after.UID != before.UID || after.DeletionTimestamp != nil {
			t.Fatalf("the pod was stopped although %s is of no use", other)
		}
	}
}

func TestARoleWithoutItsPasswordWaitsAndTheOthersAreServed(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "keyless", "instances: 1\nroles: [{name: a, passwordSecretRef: {name: keyless-given}}, {name: b}]")
	secretMissing(t, c, "keyless", "spec.roles[a].passwordSecretRef", "there is no Secret keyless-given")
	secret := given(t, c, "keyless-given", map[string][]byte{"pass": []byte("wrong key")})
	lookedAgain(t, c, "keyless")
	secretMissing(t, c, "keyless", "spec.roles[a].passwordSecretRef", "keyless-given has no key `password`")
	exists[corev1.Secret](t, c, naming.RoleSecret("keyless", "b"))
	if err := c.Get(t.Context(), key(naming.RoleSecret("keyless", "a")), &corev1.Secret{}); err == nil {
		t.Error("the role was given a password that nobody chose")
	}

	patched := secret.DeepCopy()
	patched.Data["password"] = []byte("chosen")
	if err := c.Patch(t.Context(), patched, client.MergeFrom(secret)); err != nil {
		t.Fatal(err)
	}
	lookedAgain(t, c, "keyless")
	if got := exists[corev1.Secret](t, c, naming.RoleSecret("keyless", "a")).Data["password"]; string(got) != "chosen" {
		t.Errorf("the role's Secret has the password %q", got)
	}
	notStalled(t, c, "keyless")
}
