package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/test/bench/figures"
)

// Creation is how long clusters took to be created, in seconds.
type Creation struct {
	Instances int32   `json:"instances"`
	Runs      []Run   `json:"runs"`
	Median    float64 `json:"median"`
	Worst     float64 `json:"worst"`
}

// Run is one cluster's creation.
type Run struct {
	// Ready: the API server told that Ready is True with all instances.
	Ready float64 `json:"ready"`
	// Seconds until then, and a row was written through `<cluster>-rw`.
	Seconds float64 `json:"seconds"`
	Load    string  `json:"load"`
}

// writerPod has psql. It is started before anything is measured.
const writerPod = "writer"

// image with psql; the one that clusters run.
const image = "timonier.local/postgres:17"

func (b *bench) measureCreation(ctx context.Context, runs int) (Creation, error) {
	result := Creation{Instances: *b.sample.Spec.Instances}
	if err := b.startWriter(ctx); err != nil {
		return result, err
	}
	for number := 1; number <= runs; number++ {
		run, err := b.createOnce(ctx)
		if err != nil {
			return result, fmt.Errorf("run %d: %w", number, err)
		}
		fmt.Printf("run %d of %d: ready after %.1f s, a row written after %.1f s\n", number, runs, run.Ready, run.Seconds)
		result.Runs = append(result.Runs, run)
	}
	var all []float64
	for _, run := range result.Runs {
		all = append(all, run.Seconds)
	}
	result.Median, result.Worst = figures.Median(all), slices.Max(all)
	return result, nil
}

func (b *bench) createOnce(ctx context.Context) (Run, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	events, err := b.kube.Watch(ctx, &v1alpha1.PostgresClusterList{}, client.InNamespace(namespace))
	if err != nil {
		return Run{}, err
	}
	defer events.Stop()
	var run Run
	if run.Load, err = figures.Load(); err != nil {
		return run, err
	}
	cluster := b.cluster("measured")
	begin := time.Now()
	if err := b.kube.Create(ctx, cluster); err != nil {
		return run, err
	}
	for event := range events.ResultChan() {
		if seen, ok := event.Object.(*v1alpha1.PostgresCluster); ok && seen.UID == cluster.UID && isReady(seen) {
			run.Ready = seconds(begin)
			break
		}
	}
	if run.Ready == 0 {
		return run, errors.Join(errors.New("the cluster did not become ready"), ctx.Err())
	}
	if err := b.writeRow(ctx, cluster.Name); err != nil {
		return run, err
	}
	run.Seconds = seconds(begin)
	return run, b.remove(ctx, cluster)
}

// writeRow as an application would: with the Secret, through the Service, verifying the server.
func (b *bench) writeRow(ctx context.Context, cluster string) error {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: namespace, Name: naming.RoleSecret(cluster, naming.DefaultRole)}
	if err := b.kube.Get(ctx, key, secret); err != nil {
		return err
	}
	_, err := b.exec(ctx, writerPod, string(secret.Data["ca.crt"]), "sh", "-ec",
		`cat >/tmp/ca.crt; PGSSLROOTCERT=/tmp/ca.crt psql "$0" -v ON_ERROR_STOP=1 -Xqc "CREATE TABLE written AS SELECT 1 AS row"`, string(secret.Data["uri"]))
	return err
}

func (b *bench) startWriter(ctx context.Context) error {
	yes, no, user := true, false, int64(10001)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: writerPod, Namespace: namespace},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			Containers: []corev1.Container{{
				Name: "psql", Image: image, Command: []string{"sleep", "infinity"},
				VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
				SecurityContext: &corev1.SecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, AllowPrivilegeEscalation: &no,
					Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			}},
			Volumes: []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		},
	}
	if err := b.kube.Create(ctx, pod); err != nil {
		return err
	}
	return until(ctx, "the pod that writes runs", func() error {
		if err := b.kube.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != corev1.PodRunning {
			return errors.New(string(pod.Status.Phase))
		}
		return nil
	})
}

// seconds since then, to the millisecond.
func seconds(begin time.Time) float64 {
	return time.Since(begin).Round(time.Millisecond).Seconds()
}
