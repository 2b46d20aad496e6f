package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func stopOperator(ctx context.Context, t *Target) error {
	t.OnHeal(func(ctx context.Context) error { return t.scaleOperator(ctx, 1) })
	return t.scaleOperator(ctx, 0)
}

func killOperator(ctx context.Context, t *Target) error {
	kill, err := holdOperator(ctx, t)
	if err != nil {
		return err
	}
	return kill()
}

// holdOperator finds its process, and returns how to kill it without a delay. One that its node has taken along by then is as good.
func holdOperator(ctx context.Context, t *Target) (kill func() error, err error) {
	pods, err := t.operatorPods(ctx)
	if err != nil {
		return nil, err
	}
	if len(pods) != 1 {
		return nil, fmt.Errorf("the operator has %d pods", len(pods))
	}
	held, err := hold(&pods[0], manager)
	if err != nil {
		return nil, fmt.Errorf("the operator: %w", err)
	}
	t.OnHeal(func(ctx context.Context) error { return t.operatorBack(ctx, &pods[0]) })
	return func() error {
		defer func() { _ = held.Release() }()
		if err := held.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}, nil
}

// operatorPods is one, but while it is replaced.
func (k *Kubernetes) operatorPods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := k.api.List(ctx, &list, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/name": operatorName})
	return list.Items, err
}

// operatorBackWithin is more than a kubelet waits before it starts a container that was killed a few times in a row.
const operatorBackWithin = 2 * time.Minute

// operatorBack waits until an operator is ready that was started since this pod was looked at.
func (k *Kubernetes) operatorBack(ctx context.Context, former *corev1.Pod) error {
	return until(ctx, operatorBackWithin, "the operator is back", func(ctx context.Context) error {
		pods, err := k.operatorPods(ctx)
		if err != nil {
			return err
		}
		for i := range pods {
			if pod := &pods[i]; isReady(pod) && (pod.UID != former.UID || restarts(pod) > restarts(former)) {
				return nil
			}
		}
		return fmt.Errorf("of %d pods, none is ready that was started since", len(pods))
	})
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// refreshOperator does for the operator what refresh does for instances.
func (k *Kubernetes) refreshOperator(ctx context.Context) error {
	pods, err := k.operatorPods(ctx)
	if err != nil {
		return err
	}
	for i := range pods {
		pod := &pods[i]
		if restarts(pod) <= restartsBorne {
			continue
		}
		if err := k.api.Delete(ctx, pod); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("replacing pod %s: %w", pod.Name, err)
		}
		if err := k.operatorBack(ctx, pod); err != nil {
			return err
		}
	}
	return nil
}
