//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

func TestAClusterThatIsCreatedAgainOverItsVolumesHasItsData(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	c := s.create("kept")
	c.waitReady()
	w := c.underLoad()
	w.finish(0)
	system, volumes := c.mustGet().Status.SystemIdentifier, c.volumes()

	c.delete()
	if now := c.volumes(); fmt.Sprint(now) != fmt.Sprint(volumes) {
		t.Fatalf("the volumes were not kept: %v, then %v", volumes, now)
	}
	c = s.create("kept")
	c.waitReady()
	if again := c.mustGet().Status.SystemIdentifier; again != system {
		t.Errorf("the system is %s, and was %s", again, system)
	}
	if now := c.volumes(); fmt.Sprint(now) != fmt.Sprint(volumes) {
		t.Errorf("the volumes are not the same: %v, then %v", volumes, now)
	}
	w.cluster = c
	w.mustBeComplete()
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	// Applications connect with the Secret that they find now.
	c.underLoad().finish(0)

	// One of three is missing: it is not known whether it had more than the others.
	c.delete()
	if err := kube.Delete(t.Context(), c.claim(c.instance(2))); err != nil {
		t.Fatal(err)
	}
	c = s.create("kept")
	c.mustWaitForItsVolumes()
}

// mustWaitForItsVolumes: it says which volume it waits for, and nobody leads.
func (c *cluster) mustWaitForItsVolumes() {
	c.t.Helper()
	said := func() error {
		found, err := c.get()
		if err != nil {
			return err
		}
		if leads := found.Status.Primary; leads != "" {
			return fmt.Errorf("%s leads", leads)
		}
		ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != v1alpha1.ReasonVolumesMissing && ready.Reason != v1alpha1.ReasonRecovering && ready.Reason != v1alpha1.ReasonDataMissing {
			return fmt.Errorf("conditions: %s", told(found.Status.Conditions))
		}
		return refusedWith(errors.New(ready.Message), c.instance(2))
	}
	eventually(c.t, 2*time.Minute, "a condition says which volume is missing", said)
	throughout(c.t, 15*time.Second, "nobody leads", func() error {
		if leads := c.mustGet().Status.Primary; leads != "" {
			return fmt.Errorf("%s leads", leads)
		}
		return nil
	})
}

// volumes that the cluster's claims are bound to.
func (c *cluster) volumes() map[string]string {
	c.t.Helper()
	var claims corev1.PersistentVolumeClaimList
	err := kube.List(c.t.Context(), &claims, client.InNamespace(c.space.name), client.MatchingLabels{naming.LabelCluster: c.name})
	if err != nil {
		c.t.Fatal(err)
	}
	volumes := map[string]string{}
	for _, claim := range claims.Items {
		volumes[claim.Name] = claim.Spec.VolumeName
	}
	return volumes
}

func TestAClusterHibernatesAndWakesWithItsData(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("sleeper")
	c.waitReady()
	w := c.underLoad()
	w.finish(0)
	volumes := c.volumes()

	c.edit(instances(0))
	eventually(t, 2*time.Minute, "it hibernates", func() error {
		if pods := c.instancePods(); len(pods) > 0 {
			return fmt.Errorf("%d pods are left", len(pods))
		}
		found, err := c.get()
		if err != nil {
			return err
		}
		ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Reason != v1alpha1.ReasonHibernated || meta.IsStatusConditionTrue(found.Status.Conditions, v1alpha1.ConditionAvailable) {
			return fmt.Errorf("conditions: %s", told(found.Status.Conditions))
		}
		return nil
	})
	if now := c.volumes(); fmt.Sprint(now) != fmt.Sprint(volumes) {
		t.Fatalf("the volumes were not kept: %v, then %v", volumes, now)
	}

	c.edit(instances(3))
	c.waitReady()
	w.mustBeComplete()
	c.underLoad().finish(0)
}

func TestVolumesAreDeletedWhereTheSpecSaysSo(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("fleeting", instances(2), func(s *spec) {
		s.Storage.RetentionPolicy = v1alpha1.RetentionPolicy{WhenDeleted: v1alpha1.DeleteVolume, WhenScaled: v1alpha1.DeleteVolume}
	})
	c.waitReady()
	c.edit(instances(1))
	c.waitReady()
	eventually(t, saidWithin, "the volume of the removed instance is deleted", func() error {
		if volumes := c.volumes(); len(volumes) != 1 || volumes[c.primary()] == "" {
			return fmt.Errorf("the volumes are %v", volumes)
		}
		return nil
	})
	c.delete()
	eventually(t, saidWithin, "all volumes are deleted", func() error {
		if volumes := c.volumes(); len(volumes) > 0 {
			return fmt.Errorf("the volumes are %v", volumes)
		}
		return nil
	})
}
