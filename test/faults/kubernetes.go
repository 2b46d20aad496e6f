package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// What `make deploy` installs.
const (
	operatorNamespace = "timonier-system"
	operatorName      = "timonier-operator"
)

// answerWithin is how long one question to Kubernetes may take: while its API is frozen, none is answered.
const answerWithin = 10 * time.Second

// Kubernetes is the local one. No other one can be reached: faults break nodes.
type Kubernetes struct {
	api client.WithWatch
	// root of the checkout, absolute.
	root string
}

// Connect to the local Kubernetes of a checkout.
func Connect(checkout string) (*Kubernetes, error) {
	root, err := filepath.Abs(checkout)
	if err != nil {
		return nil, err
	}
	k := &Kubernetes{root: root}
	config, err := clientcmd.BuildConfigFromFlags("", k.kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("there is no local Kubernetes: run `make test-faults`, or `make cluster-up deploy`: %w", err)
	}
	config.QPS, config.Burst, config.Timeout = 100, 200, answerWithin
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	if k.api, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return k, nil
}

func (k *Kubernetes) kubeconfig() string { return filepath.Join(k.root, ".local", "kubeconfig") }

// run a program that `make` built, and return what it printed. Its error holds what it complained about.
func (k *Kubernetes) run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	bin := filepath.Join(k.root, ".local", "bin")
	command := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
	command.Dir = k.root
	command.Env = append(os.Environ(), "KUBECONFIG="+k.kubeconfig(), "PATH="+os.Getenv("PATH")+":"+bin)
	// What it started may hold its output open after it was ended.
	command.WaitDelay = time.Second
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimSpace(string(out)), err
}

func (k *Kubernetes) kubectl(ctx context.Context, args ...string) (string, error) {
	return k.run(ctx, "kubectl", args...)
}

// localcluster breaks and mends parts of the local Kubernetes.
func (k *Kubernetes) localcluster(ctx context.Context, args ...string) error {
	_, err := k.run(ctx, "localcluster", args...)
	return err
}

// scaleOperator to none or one, and wait until that is so.
func (k *Kubernetes) scaleOperator(ctx context.Context, replicas int) error {
	deployment := "deployment/" + operatorName
	if _, err := k.kubectl(ctx, "-n", operatorNamespace, "scale", deployment, fmt.Sprintf("--replicas=%d", replicas)); err != nil {
		return err
	}
	if replicas > 0 {
		_, err := k.kubectl(ctx, "-n", operatorNamespace, "rollout", "status", deployment, "--timeout=120s")
		return err
	}
	_, err := k.kubectl(ctx, "-n", operatorNamespace, "wait", "--for=delete", "pods", "-l", "app.kubernetes.io/name="+operatorName, "--timeout=120s")
	return err
}

// until polls until check returns nil; it fails with the last error when the time is up.
func until(ctx context.Context, within time.Duration, what string, check func(context.Context) error) error {
	begin := time.Now()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if time.Since(begin) > within {
			return fmt.Errorf("%s: not within %s: %w", what, within, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, ctx.Err(), err)
		case <-time.After(100 * time.Millisecond): // the pace of polling, not a guess at how long it takes
		}
	}
}
