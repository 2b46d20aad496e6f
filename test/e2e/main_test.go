//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// What `make deploy` installs, and the image that it puts into pods.
const (
	operatorNamespace = "timonier-system"
	operatorName      = "timonier-operator"
	postgresImage     = "timonier.local/postgres:17"
)

// atOnce is how many tests run together: each has some pods, and the machine may have two cores.
const atOnce = "3"

// kube is the API of the Kubernetes under test.
var kube client.WithWatch

// root of the checkout, absolute: programs run in folders of their own.
var root string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// prepare connects to the local Kubernetes, and to no other: these tests break nodes.
func prepare() error {
	var err error
	if root, err = filepath.Abs("../.."); err != nil {
		return err
	}
	if !isSet("test.parallel") {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			return err
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig())
	if err != nil {
		return fmt.Errorf("there is no local Kubernetes: run `make test-e2e`, or `make cluster-up deploy`: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientscheme.AddToScheme, postgresv1alpha1.AddToScheme, platformv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("registering kinds: %w", err)
		}
	}
	if kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	operator := &appsv1.Deployment{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: operatorName}, operator); err != nil {
		return fmt.Errorf("the operator is not installed: run `make deploy`: %w", err)
	}
	if operator.Status.ReadyReplicas == 0 {
		return fmt.Errorf("the operator is not ready: `kubectl -n %s describe pods` tells why", operatorNamespace)
	}
	return nil
}

func isSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

func kubeconfig() string { return filepath.Join(root, ".local", "kubeconfig") }
