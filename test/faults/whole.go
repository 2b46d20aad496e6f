package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// wholeWithin is how long a cluster may take to have all its members back: one may have to be cloned.
const wholeWithin = 4 * time.Minute

// WaitWhole waits until all members are back: ready for the operator, streaming from the primary, and counted.
func (b *Bed) WaitWhole(ctx context.Context) error {
	return until(ctx, wholeWithin, "all members are back", b.isWhole)
}

// restartsBorne is how often a container may have been restarted before its pod is replaced: with each one the kubelet
// waits longer, up to five minutes.
const restartsBorne = 1

// refresh replaces pods whose containers were restarted, so that how long one fault takes to heal does not depend on
// those before it. Standbys go first; a primary hands over.
func (b *Bed) refresh(ctx context.Context) error {
	if err := b.refreshOperator(ctx); err != nil {
		return err
	}
	pods, err := b.pods(ctx)
	if err != nil {
		return err
	}
	lead, err := b.Leadership(ctx)
	if err != nil {
		return err
	}
	names := slices.SortedFunc(maps.Keys(pods), func(one, other string) int {
		return strings.Compare(order(one, lead.Holder), order(other, lead.Holder))
	})
	for _, name := range names {
		pod := pods[name]
		if restarts(pod) <= restartsBorne {
			continue
		}
		if err := b.api.Delete(ctx, pod); err != nil {
			return fmt.Errorf("replacing pod %s: %w", name, err)
		}
		if err := b.waitReplaced(ctx, pod); err != nil {
			return err
		}
		if err := b.WaitWhole(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restarts of a pod's containers.
func restarts(pod *corev1.Pod) int32 {
	all := int32(0)
	for _, status := range pod.Status.ContainerStatuses {
		all += status.RestartCount
	}
	return all
}

// order puts the holder of the Lease behind all others.
func order(name, holder string) string {
	if name == holder {
		return "~" + name
	}
	return name
}

func (b *Bed) waitReplaced(ctx context.Context, former *corev1.Pod) error {
	return until(ctx, wholeWithin, "pod "+former.Name+" is replaced", func(ctx context.Context) error {
		pod := &corev1.Pod{}
		if err := b.find(ctx, former.Name, pod); err != nil {
			return err
		}
		if pod.UID == former.UID {
			return errors.New("the former one is still there")
		}
		return nil
	})
}

func (b *Bed) isWhole(ctx context.Context) error {
	cluster := &v1alpha1.PostgresCluster{}
	if err := b.find(ctx, b.Cluster, cluster); err != nil {
		return err
	}
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return errors.New("there is no condition Ready")
	case ready.Status != metav1.ConditionTrue:
		return fmt.Errorf("the condition Ready is %s, %s: %s", ready.Status, ready.Reason, ready.Message)
	case ready.ObservedGeneration != cluster.Generation:
		return fmt.Errorf("the status speaks of generation %d, the spec is at %d", ready.ObservedGeneration, cluster.Generation)
	}
	if all := fmt.Sprintf("%d/%d", b.instances(), b.instances()); cluster.Status.Summary.Instances != all {
		return fmt.Errorf("%s instances are ready", cluster.Status.Summary.Instances)
	}
	lead, err := b.Leadership(ctx)
	if err != nil {
		return err
	}
	if lead.Holder == "" {
		return errors.New("nobody holds the Lease")
	}
	if mode, required := b.quorum(); lead.Quorum.Mode != mode || lead.Quorum.Required != required || len(lead.Quorum.Members) != b.instances() {
		return fmt.Errorf("the Lease has mode %s, and a commit on %d of %d members", lead.Quorum.Mode, lead.Quorum.Required, len(lead.Quorum.Members))
	}
	return b.allStream(ctx, lead.Holder)
}

// allStream tells whether every standby gets WAL, and has replayed all but a little of it.
func (b *Bed) allStream(ctx context.Context, primary string) error {
	out, err := b.superuser(ctx, primary, `SELECT count(DISTINCT application_name) FROM pg_stat_replication
		WHERE state = 'streaming' AND pg_current_wal_lsn() - replay_lsn < 1 << 20 AND application_name NOT LIKE 'pg\_%'`)
	if err != nil {
		return err
	}
	streaming, err := strconv.Atoi(out)
	if err != nil {
		return err
	}
	if streaming < b.instances()-1 {
		return fmt.Errorf("%d standbys stream", streaming)
	}
	return nil
}
