package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// wipe does what a person does whose disk is lost.
func wipe(ctx context.Context, t *Target, instance string) error {
	claim := &corev1.PersistentVolumeClaim{}
	if err := t.find(ctx, naming.DataVolume(instance), claim); err != nil {
		return err
	}
	t.OnHeal(func(ctx context.Context) error { return t.volumeGone(ctx, claim) })
	if err := t.api.Delete(ctx, claim); err != nil {
		return fmt.Errorf("deleting claim %s: %w", claim.Name, err)
	}
	if err := t.api.Delete(ctx, t.Pods[instance], client.GracePeriodSeconds(0)); err != nil {
		return fmt.Errorf("deleting pod %s: %w", instance, err)
	}
	return nil
}

// volumeGone waits until a claim is not there any more, so that nobody takes the cluster for whole that is still the former one.
func (t *Target) volumeGone(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	return until(ctx, time.Minute, "the former volume is gone", func(ctx context.Context) error {
		found := &corev1.PersistentVolumeClaim{}
		err := t.find(ctx, claim.Name, found)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil && found.UID == claim.UID {
			return errors.New("it is still there")
		}
		return nil
	})
}

// primaryCloned and standbyCloned: what was wiped is a member again as another copy of the data.
func primaryCloned(ctx context.Context, t *Target) error { return t.cloned(ctx, t.Primary) }

func standbyCloned(ctx context.Context, t *Target) error { return t.cloned(ctx, t.Standbys[0]) }

func (t *Target) cloned(ctx context.Context, instance string) error {
	return until(ctx, time.Minute, instance+" is another copy", func(ctx context.Context) error {
		now, err := t.Leadership(ctx)
		if err != nil {
			return err
		}
		return otherCopy(t.Before.Quorum, now.Quorum, instance)
	})
}

// otherCopy tells whether an instance is a member again, and not with the copy of before.
func otherCopy(before, now election.Quorum, instance string) error {
	member := false
	for incarnation, name := range now.Members {
		if name != instance {
			continue
		}
		if before.Members[incarnation] == instance {
			return fmt.Errorf("%s is still the copy %s", instance, incarnation)
		}
		member = true
	}
	if !member {
		return fmt.Errorf("%s is no member: %v", instance, now.Members)
	}
	return nil
}
