package postgrescluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// scaleDown removes instances that are not to exist any more, one after the other: first the leader forgets it
// (rollOut has sent the configuration without it), then its pod goes, then its volumes where the spec says Delete.
func (r *Reconciler) scaleDown(ctx context.Context, s *scope) error {
	var left untouched
	for _, name := range s.names(s.members.remove) {
		pod, by := s.observed.pods[name], s.alone(kindPod, name)
		if pod != nil && by != "" {
			left.leave("instance "+name+" is not removed, although the spec asks for fewer", by)
			continue
		}
		if pod != nil {
			return r.removeInstance(ctx, s, pod)
		}
		if s.instancesWanted() > 0 && s.isMember(name) {
			// The leader writes its members to the Lease, which is not watched here.
			return reconcile.Wait(soon, v1alpha1.ReasonScaling, "instance %s is gone; the leader takes it off its members", name)
		}
	}
	if err := r.deleteScaledVolumes(ctx, s, &left); err != nil {
		return err
	}
	return left.stalls()
}

// removeInstance has its pod go, once it may; the pod's going is an event.
func (r *Reconciler) removeInstance(ctx context.Context, s *scope, pod *corev1.Pod) error {
	if err := r.mayRemove(s, pod.Name); err != nil {
		return err
	}
	if pod.DeletionTimestamp.IsZero() {
		if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing pod %s: %w", pod.Name, err)
		}
		s.note(fmt.Sprintf("instance %s is removed; volumes: %s", pod.Name, s.whenScaled()), v1alpha1.ReasonScaling)
	}
	return reconcile.Wait(0, v1alpha1.ReasonScaling, "instance %s stops", pod.Name)
}

// mayRemove waits until no operation runs, which may count on the instance, and the leader has dropped what it keeps for it.
func (r *Reconciler) mayRemove(s *scope, name string) error {
	if s.observed.operation != "" {
		// Its end is an event of its own, not of the cluster.
		return reconcile.Wait(soon, v1alpha1.ReasonScaling, "instance %s is removed when the operation %s has ended", name, s.observed.operation)
	}
	if s.instancesWanted() == 0 || name == s.observed.record.Holder {
		return nil
	}
	leader := s.leader()
	if by := s.alone(kindPod, leader); leader != "" && by != "" && !s.knows(leader) {
		var left untouched
		left.leave("instance "+name+" is not removed, since the leader "+leader+" is not told to drop its replication slot", by)
		return left.stalls()
	}
	if leader == "" {
		return reconcile.Wait(soon, v1alpha1.ReasonScaling, "instance %s is removed when an instance leads", name)
	}
	if !s.knows(leader) {
		return reconcile.Wait(soon, v1alpha1.ReasonScaling, "instance %s is removed when %s has dropped its replication slot", name, leader)
	}
	return nil
}

// knows tells whether an instance has the configuration that is wanted now.
func (s *scope) knows(instance string) bool {
	return s.observed.instances[instance].Status.ConfigurationRevision == s.configuration().Revision
}

func (s *scope) isMember(name string) bool {
	for _, member := range s.observed.record.Quorum.Members {
		if member == name {
			return true
		}
	}
	return false
}

func (s *scope) whenScaled() v1alpha1.VolumeRetention {
	if policy := s.cluster.Spec.Storage.RetentionPolicy.WhenScaled; policy != "" {
		return policy
	}
	return v1alpha1.RetainVolume
}

// deleteScaledVolumes of instances that are neither to run nor there any more. Never while it is not known who
// leads, never the leader's, and never while hibernating: the volumes are all there is then.
func (r *Reconciler) deleteScaledVolumes(ctx context.Context, s *scope, left *untouched) error {
	if s.whenScaled() != v1alpha1.DeleteVolume || s.leader() == "" || s.instancesWanted() == 0 {
		return nil
	}
	running := map[string]bool{s.observed.record.Holder: true}
	for _, name := range s.names(s.members.run) {
		running[name] = true
	}
	for _, claimName := range sortedKeys(s.observed.claims) {
		claim := s.observed.claims[claimName]
		instance := claim.Labels[naming.LabelInstance]
		if _, ours := naming.Ordinal(s.cluster.Name, instance); !ours || running[instance] || s.isMember(instance) || s.observed.pods[instance] != nil {
			continue
		}
		if !claim.DeletionTimestamp.IsZero() {
			continue
		}
		if by := s.alone(kindVolume, claimName); by != "" {
			left.leave("volume "+claimName+" of the removed instance "+instance+" is not deleted", by)
			continue
		}
		if err := client.IgnoreNotFound(r.Client.Delete(ctx, claim, client.Preconditions{UID: &claim.UID})); err != nil {
			return fmt.Errorf("deleting volume %s of a removed instance: %w", claimName, err)
		}
		s.note(fmt.Sprintf("volume %s of the removed instance %s is deleted, as storage.retentionPolicy.whenScaled asks", claimName, instance), v1alpha1.ReasonScaling)
	}
	return nil
}
