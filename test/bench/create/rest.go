package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/test/bench/figures"
)

// Rest is what clusters cost that nobody uses.
type Rest struct {
	Clusters    int `json:"clusters"`
	IdleSeconds int `json:"idleSeconds"`
	// Managers are the instance managers, by instance.
	Managers map[string]Manager `json:"managers"`
	// LeaseWrites are how often each Lease was written in three seconds, by cluster. OtherWrites are all others to the API, by whomever, of what clusters consist
	// of and of what tells of them, in three seconds and per cluster.
	LeaseWrites map[string]float64 `json:"leaseWrites"`
	OtherWrites float64            `json:"otherWrites"`
	// Operator is what the operator holds, VmRSS in KiB.
	Operator int `json:"operator"`
}

// Manager is what PID 1 of an instance needs.
type Manager struct {
	// RSS is VmRSS in KiB. CPU is the mean of the time at rest, in thousandths of a core, with the programs that it starts and that end, as
	// pg_controldata. PostgreSQL is not in it, since it runs on: one that was another at the end gives no figure.
	RSS int     `json:"rss"`
	CPU float64 `json:"cpu"`
}

func (b *bench) measureRest(ctx context.Context, clusters int, idle time.Duration) (*Rest, error) {
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
	before, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(idle): // what is to be measured
	}
	after, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	result, err := after.since(before)
	if err != nil {
		return nil, err
	}
	result.OtherWrites /= float64(clusters)
	result.Clusters, result.IdleSeconds = clusters, int(idle.Seconds())
	result.Operator, err = b.weighOperator(ctx)
	fmt.Print(result.table())
	return result, err
}

// look is what is seen of clusters at a moment.
type look struct {
	managers map[string]seenManager
	// revisions of the Leases, by cluster: each write is one more.
	revisions map[string]float64
	// writes that the API server has answered, but for Leases.
	writes float64
	at     time.Time
}

type seenManager struct {
	rss int
	// cpu time since it started, in seconds, at that moment. That of servers that have ended is in it.
	cpu float64
	at  time.Time
	// server that ran then: its PID and when it started, as its PID file tells.
	server string
}

func (b *bench) look(ctx context.Context) (look, error) {
	seen := look{managers: map[string]seenManager{}, revisions: map[string]float64{}, at: time.Now()}
	var leases coordinationv1.LeaseList
	if err := b.kube.List(ctx, &leases, client.InNamespace(namespace), client.HasLabels{naming.LabelCluster}); err != nil {
		return seen, err
	}
	for _, lease := range leases.Items {
		record, err := election.Decode(contact.Fields(&lease))
		if err != nil {
			return seen, fmt.Errorf("lease %s: %w", lease.Name, err)
		}
		seen.revisions[lease.Labels[naming.LabelCluster]] = float64(record.Revision)
	}
	metrics, err := figures.Output(ctx, "kubectl", "--kubeconfig", b.kubeconfig, "get", "--raw", "/metrics")
	if err != nil {
		return seen, err
	}
	if seen.writes, err = writes(metrics); err != nil {
		return seen, err
	}
	var pods corev1.PodList
	if err := b.kube.List(ctx, &pods, client.InNamespace(namespace), client.HasLabels{naming.LabelInstance}); err != nil {
		return seen, err
	}
	for _, pod := range pods.Items {
		out, err := b.exec(ctx, pod.Name, "", "cat", "/proc/1/status", "/proc/1/stat")
		if err != nil {
			return seen, err
		}
		manager := seenManager{at: time.Now()}
		if manager.server, err = b.exec(ctx, pod.Name, "", "sed", "-n", "1p;3p", "/var/lib/timonier/data/pgdata/postmaster.pid"); err != nil {
			return seen, err
		}
		if manager.rss, err = figures.Kibibytes(out, "VmRSS:"); err != nil {
			return seen, err
		}
		if manager.cpu, err = figures.CPUSeconds(out); err != nil {
			return seen, err
		}
		seen.managers[pod.Name] = manager
	}
	if len(pods.Items) == 0 || len(leases.Items) == 0 {
		return seen, errors.New("there are no instances")
	}
	return seen, nil
}

// since an earlier look, of all that is in both.
func (after look) since(before look) (*Rest, error) {
	result := &Rest{Managers: map[string]Manager{}, LeaseWrites: map[string]float64{}}
	for name, now := range after.managers {
		then, known := before.managers[name]
		switch {
		case known && now.server != then.server:
			return nil, fmt.Errorf("the server of %s has ended meanwhile, and what it used would count as its manager's", name)
		case known:
			result.Managers[name] = Manager{RSS: now.rss, CPU: (now.cpu - then.cpu) / now.at.Sub(then.at).Seconds() * 1000}
		}
	}
	inThreeSeconds := 3 / after.at.Sub(before.at).Seconds()
	for cluster, revision := range after.revisions {
		result.LeaseWrites[cluster] = (revision - before.revisions[cluster]) * inThreeSeconds
	}
	result.OtherWrites = (after.writes - before.writes) * inThreeSeconds
	return result, nil
}

// written is what a cluster consists of, and what tells of it, by resource. Leases are counted by their revisions: nodes have some too.
var written = []string{"configmaps", "endpoints", "endpointslices", "events", "persistentvolumeclaims", "persistentvolumes", "poddisruptionbudgets", "pods",
	"postgresclusters", "postgresoperations", "rolebindings", "roles", "secrets", "serviceaccounts", "services"}

// writes of such objects that an API server has answered, by its metrics. A token that a kubelet asks for is written nowhere, nor is a dry run.
func writes(metrics string) (float64, error) {
	const family = "apiserver_request_total"
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics + "\n")) // a program's output is given without its last one
	if err != nil || families[family] == nil {
		return 0, errors.Join(errors.New("the API server's metrics do not tell what it was asked"), err)
	}
	var sum float64
	for _, metric := range families[family].GetMetric() {
		labels := map[string]string{}
		for _, pair := range metric.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		writes := slices.Contains([]string{"APPLY", "DELETE", "DELETECOLLECTION", "PATCH", "POST", "PUT"}, labels["verb"])
		if writes && labels["dry_run"] == "" && labels["subresource"] != "token" && slices.Contains(written, labels["resource"]) {
			sum += metric.GetCounter().GetValue()
		}
	}
	return sum, nil
}

// table has its rows of the summary.
func (r *Rest) table() string {
	var rss, cpu, writes []float64
	for _, manager := range r.Managers {
		rss, cpu = append(rss, float64(manager.RSS)/1024), append(cpu, manager.CPU)
	}
	for _, often := range r.LeaseWrites {
		writes = append(writes, often)
	}
	after := time.Duration(r.IdleSeconds) * time.Second
	return fmt.Sprintf("| resident memory of an instance manager, after %s of rest (%d instances) | %.1f MiB | %.1f MiB | 25 MiB |\n", after, len(rss), figures.Median(rss), slices.Max(rss)) +
		fmt.Sprintf("| CPU of an instance manager at rest, with its short programs | %.1f m | %.1f m | 5 m |\n", figures.Median(cpu), slices.Max(cpu)) +
		fmt.Sprintf("| writes of a cluster's Lease at rest, in three seconds | %.2f | %.2f | 1 |\n", figures.Median(writes), slices.Max(writes)) +
		fmt.Sprintf("| all other writes to the API for it meanwhile, the operator's too | %.3f | | |\n", r.OtherWrites) +
		fmt.Sprintf("| resident memory of the operator, with %d clusters | %.1f MiB | | 60 MiB |\n", r.Clusters, float64(r.Operator)/1024)
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
