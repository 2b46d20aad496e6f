package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/test/bench/figures"
)

// Memory is what processes hold at rest: VmRSS in KiB.
type Memory struct {
	Clusters    int `json:"clusters"`
	IdleSeconds int `json:"idleSeconds"`
	// Managers are the instance managers, by instance.
	Managers       map[string]int `json:"managers"`
	ManagersMedian int            `json:"managersMedian"`
	ManagersWorst  int            `json:"managersWorst"`
	Operator       int            `json:"operator"`
}

func (b *bench) measureMemory(ctx context.Context, clusters int, idle time.Duration) (*Memory, error) {
	for n := 1; n <= clusters; n++ {
		if err := b.kube.Create(ctx, b.cluster(fmt.Sprintf("idle-%d", n))); err != nil {
			return nil, err
		}
	}
	err := until(ctx, "all clusters are ready", func() error {
		var all v1alpha1.PostgresClusterList
		if err := b.kube.List(ctx, &all, client.InNamespace(namespace)); err != nil {
			return err
		}
		for i := range all.Items {
			if !isReady(&all.Items[i]) {
				return errors.New(all.Items[i].Name + " is not")
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d clusters are ready; they are left alone for %s\n", clusters, idle)
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(idle): // what is to be measured
	}
	result := &Memory{Clusters: clusters, IdleSeconds: int(idle.Seconds()), Managers: map[string]int{}}
	if err := b.weighManagers(ctx, result); err != nil {
		return nil, err
	}
	result.Operator, err = b.weighOperator(ctx)
	fmt.Printf("instance managers: %d KiB (median), %d KiB (worst); operator: %d KiB\n", result.ManagersMedian, result.ManagersWorst, result.Operator)
	return result, err
}

func (b *bench) weighManagers(ctx context.Context, result *Memory) error {
	var pods corev1.PodList
	if err := b.kube.List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{naming.LabelInstance}); err != nil {
		return err
	}
	var all []float64
	for _, pod := range pods.Items {
		status, err := b.exec(ctx, pod.Name, "", "cat", "/proc/1/status")
		if err != nil {
			return err
		}
		if result.Managers[pod.Name], err = figures.Kibibytes(status, "VmRSS:"); err != nil {
			return err
		}
		all = append(all, float64(result.Managers[pod.Name]))
	}
	if len(all) == 0 {
		return errors.New("there are no instances")
	}
	result.ManagersMedian, result.ManagersWorst = int(figures.Median(all)), int(slices.Max(all))
	return nil
}

// weighOperator by what it says in its metrics: its image has no program that could read /proc.
func (b *bench) weighOperator(ctx context.Context) (int, error) {
	var pods corev1.PodList
	err := b.kube.List(ctx, &pods, client.InNamespace("timonier-system"), client.MatchingLabels{"app.kubernetes.io/name": "timonier-operator"})
	if err != nil {
		return 0, err
	}
	if len(pods.Items) != 1 {
		return 0, fmt.Errorf("there are %d operators", len(pods.Items))
	}
	metrics, err := figures.Output(ctx, "kubectl", "--kubeconfig", b.kubeconfig, "get", "--raw",
		"/api/v1/namespaces/timonier-system/pods/"+pods.Items[0].Name+":8080/proxy/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, "process_resident_memory_bytes "); ok {
			var bytes float64
			if _, err := fmt.Sscan(rest, &bytes); err != nil {
				return 0, err
			}
			return int(bytes / 1024), nil
		}
	}
	return 0, errors.New("the operator's metrics do not tell its memory")
}
