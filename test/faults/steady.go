package faults

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// image has pgbench; it is the one that clusters run.
const image = "timonier.local/postgres:17"

// sessions of pgbench.
const sessions = 200

// Hardships are what must not make anybody fail over, each for so long. They are for a cluster with the edits Narrowed.
func Hardships(lasts time.Duration) []Fault {
	all := []Fault{
		{Name: "pgbench", Title: "pgbench with 200 clients at a CPU limit of 500m", Inject: pgbench,
			How: "A pod runs `pgbench -c 200` through the Service.", Healed: "The pod is deleted."},
		{Name: "busy-processes", Title: "busy processes beside the primary", Inject: busyProcesses,
			How: "A pod without a limit of CPU on the primary's node has four endless loops.", Healed: "The pod is deleted."},
		{Name: "fsync-spikes", Title: "fsync takes five seconds", Inject: fsyncSpikes,
			How: "`localcluster volume stall` of the primary's volume, for five of every 20 s.", Healed: "It is released."},
		Named("connections-exhausted"),
	}
	for i := range all {
		all[i].KeepsLeader, all[i].Lasts = true, lasts
	}
	return all
}

// Narrowed are the edits that make a cluster narrow.
func Narrowed() []func(*v1alpha1.PostgresClusterSpec) {
	return []func(*v1alpha1.PostgresClusterSpec){narrow}
}

// narrow gives each instance half a CPU, and room for the sessions of pgbench: in 512 MiB of memory the kernel ends one of 200 after half a minute, and with it the server.
func narrow(spec *v1alpha1.PostgresClusterSpec) {
	spec.Resources.Limits[corev1.ResourceCPU], spec.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("500m"), resource.MustParse("1Gi")
	spec.Parameters = map[string]intstr.IntOrString{"max_connections": intstr.FromInt32(sessions + 50)}
}

func pgbench(ctx context.Context, t *Target) error {
	secret := naming.RoleSecret(t.Cluster, naming.DefaultRole)
	pod := plainPod("pgbench", fmt.Sprintf(`PATH=$PATH:/usr/lib/postgresql/17/bin; pgbench -i -q -s 5 "$URI" && exec pgbench -n -c %d -j 2 -T 100000 "$URI"`, sessions))
	container := &pod.Spec.Containers[0]
	container.Env = []corev1.EnvVar{
		{Name: "PGSSLROOTCERT", Value: "/secret/ca.crt"},
		{Name: "URI", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "uri"}}},
	}
	container.VolumeMounts = []corev1.VolumeMount{{Name: "secret", MountPath: "/secret"}}
	pod.Spec.Volumes = []corev1.Volume{{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
	if err := t.start(ctx, pod); err != nil {
		return err
	}
	if err := until(ctx, 3*time.Minute, "pgbench is under way", t.benched); err != nil {
		return err
	}
	t.OnHeal(t.benched) // to the end, and all of them
	return nil
}

// benched tells whether all sessions of pgbench are there.
func (t *Target) benched(ctx context.Context) error {
	out, err := t.superuser(ctx, t.Primary, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'")
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(out); err != nil || n < sessions {
		return errors.Join(fmt.Errorf("pgbench has %s sessions", out), err)
	}
	return nil
}

func busyProcesses(ctx context.Context, t *Target) error {
	pod := plainPod("busy", "for n in 1 2 3 4; do while :; do :; done & done; wait")
	pod.Spec.NodeName = t.Node(t.Primary)
	return t.start(ctx, pod)
}

// plainPod runs a shell script with as few rights as there can be.
func plainPod(name, script string) *corev1.Pod {
	yes, no, user, zero := true, false, int64(10001), int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &zero, RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "main", Image: image, Command: []string{"sh", "-c", script},
				SecurityContext: &corev1.SecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, AllowPrivilegeEscalation: &no,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}, ReadOnlyRootFilesystem: &yes,
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			}},
		},
	}
}

// start a pod beside the cluster, until the fault is healed.
func (t *Target) start(ctx context.Context, pod *corev1.Pod) error {
	pod.Namespace = t.Namespace
	if err := t.api.Create(ctx, pod); err != nil {
		return fmt.Errorf("starting pod %s: %w", pod.Name, err)
	}
	t.OnHeal(func(ctx context.Context) error {
		if err := client.IgnoreNotFound(t.api.Delete(ctx, pod)); err != nil {
			return err
		}
		return until(ctx, time.Minute, "pod "+pod.Name+" goes", func(ctx context.Context) error {
			err := t.find(ctx, pod.Name, &corev1.Pod{})
			if err == nil {
				return errors.New("it is still there")
			}
			return client.IgnoreNotFound(err)
		})
	})
	return until(ctx, time.Minute, "pod "+pod.Name+" runs", func(ctx context.Context) error {
		found := &corev1.Pod{}
		if err := t.find(ctx, pod.Name, found); err != nil {
			return err
		}
		if found.Status.Phase != corev1.PodRunning {
			return fmt.Errorf("it is %s", found.Status.Phase)
		}
		return nil
	})
}

const (
	spikeLength = 5 * time.Second
	spikeEvery  = 20 * time.Second
)

// fsyncSpikes stall the volume again and again, the first time at once.
func fsyncSpikes(ctx context.Context, t *Target) error {
	claim := t.Claim(t.Primary)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var failed error
	var spikes sync.WaitGroup
	t.OnHeal(func(ctx context.Context) error {
		cancel()
		spikes.Wait()
		return errors.Join(failed, t.localcluster(ctx, "volume", "release", claim))
	})
	if err := t.localcluster(ctx, "volume", "stall", claim); err != nil {
		return err
	}
	spikes.Go(func() {
		for failed == nil {
			if !lastsFor(ctx, spikeLength) {
				return
			}
			failed = t.localcluster(context.WithoutCancel(ctx), "volume", "release", claim)
			if !lastsFor(ctx, spikeEvery-spikeLength) || failed != nil {
				return
			}
			failed = t.localcluster(context.WithoutCancel(ctx), "volume", "stall", claim)
		}
	})
	return nil
}

// lastsFor lets something last for so long; false where it is ended before.
func lastsFor(ctx context.Context, span time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(span): // what is tried lasts that long
		return true
	}
}
