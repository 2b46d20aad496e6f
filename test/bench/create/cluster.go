package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const (
	namespace = "bench-create"
	sample    = "config/samples/demo.yaml"
	// patience with anything; longer is a failure, not a figure.
	patience = 10 * time.Minute
)

// bench is the Kubernetes in which something is measured.
type bench struct {
	kube       client.WithWatch
	kubeconfig string
	sample     v1alpha1.PostgresCluster
}

// open connects, and makes a namespace with nothing in it.
func open(ctx context.Context, kubeconfig string) (*bench, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("there is no Kubernetes: run `make bench-create`: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	b := &bench{}
	if b.kubeconfig, err = filepath.Abs(kubeconfig); err != nil {
		return nil, err
	}
	if b.kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(sample)
	if err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalStrict(content, &b.sample); err != nil {
		return nil, fmt.Errorf("%s: %w", sample, err)
	}
	if err := b.removeNamespace(ctx); err != nil {
		return nil, err
	}
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	return b, b.kube.Create(ctx, made)
}

// close removes everything again.
func (b *bench) close() {
	if err := b.removeNamespace(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (b *bench) removeNamespace(ctx context.Context) error {
	found := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := client.IgnoreNotFound(b.kube.Delete(ctx, found)); err != nil {
		return err
	}
	return until(ctx, "the namespace "+namespace+" goes", func() error {
		return gone(b.kube.Get(ctx, client.ObjectKeyFromObject(found), found))
	})
}

// cluster like the sample, of some name.
func (b *bench) cluster(name string) *v1alpha1.PostgresCluster {
	made := b.sample.DeepCopy()
	made.Name, made.Namespace = name, namespace
	return made
}

// remove a cluster with its volumes, and wait until all of it is gone, on the nodes as well.
func (b *bench) remove(ctx context.Context, cluster *v1alpha1.PostgresCluster) error {
	if err := b.kube.Delete(ctx, cluster); err != nil {
		return err
	}
	err := b.kube.DeleteAllOf(ctx, &corev1.PersistentVolumeClaim{}, client.InNamespace(namespace))
	if err != nil {
		return err
	}
	return until(ctx, "cluster and volumes are gone", func() error {
		var pods corev1.PodList
		var volumes corev1.PersistentVolumeList
		if err := errors.Join(b.kube.List(ctx, &pods, client.InNamespace(namespace)), b.kube.List(ctx, &volumes)); err != nil {
			return err
		}
		for _, volume := range volumes.Items {
			if volume.Spec.ClaimRef != nil && volume.Spec.ClaimRef.Namespace == namespace {
				return errors.New("a volume is left")
			}
		}
		for _, pod := range pods.Items {
			if pod.Name != writerPod {
				return errors.New("a pod is left")
			}
		}
		return nil
	})
}

// isReady tells whether all instances that were asked for are.
func isReady(cluster *v1alpha1.PostgresCluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == cluster.Generation &&
		cluster.Status.Summary.Instances == fmt.Sprintf("%d/%d", *cluster.Spec.Instances, *cluster.Spec.Instances)
}

// exec runs a command in a pod.
func (b *bench) exec(ctx context.Context, pod, stdin string, command ...string) (string, error) {
	args := append([]string{"--kubeconfig", b.kubeconfig, "-n", namespace, "exec", "-i", pod, "--"}, command...)
	run := exec.CommandContext(ctx, "kubectl", args...)
	run.Stdin = strings.NewReader(stdin)
	var complaint strings.Builder
	run.Stderr = &complaint
	out, err := run.Output()
	if err != nil {
		return "", fmt.Errorf("in pod %s: %w: %s", pod, err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(errors.New("it is still there"), err)
}

// until polls: where an event tells, it is watched for instead.
func until(ctx context.Context, what string, check func() error) error {
	for begin := time.Now(); ; {
		err := check()
		if err == nil {
			return nil
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("%s: not within %s: %w", what, patience, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(200 * time.Millisecond): // the pace of polling
		}
	}
}
