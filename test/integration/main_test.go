//go:build integration

// Package integration tests the CRDs against a real API server with etcd: what is
// accepted, what is refused, and that the message says what to write instead. There
// are no kubelets and no operator here.
package integration

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const root = "../.."

// api is the API server that all tests of this package share. Each test makes objects of its own name.
type api struct {
	config *rest.Config
	client client.Client
}

var server api

// patience with the start and the stop of an API server: the machine may be busy.
const patience = 2 * time.Minute

// controlPlane is an API server with Timonier's CRDs, that is to be started.
func controlPlane() *envtest.Environment {
	return &envtest.Environment{
		BinaryAssetsDirectory: filepath.Join(root, ".local", "bin"),
		CRDDirectoryPaths:     []string{filepath.Join(root, "config", "crd")}, ErrorIfCRDPathMissing: true,
		CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: patience},
		ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience,
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	environment := controlPlane()
	if _, err := os.Stat(filepath.Join(environment.BinaryAssetsDirectory, "kube-apiserver")); err != nil {
		return 0, fmt.Errorf("there is no kube-apiserver in .local/bin: run `make localcluster`, which builds it: %w", err)
	}
	// Also after a start that failed half-way: the processes would outlive the test.
	defer func() {
		if stopErr := environment.Stop(); stopErr != nil && err == nil {
			err = fmt.Errorf("stopping the API server: %w", stopErr)
		}
	}()
	server.config, err = environment.Start()
	if err != nil {
		return 0, fmt.Errorf("starting an API server: %w", err)
	}
	plain, err := client.New(server.config, client.Options{})
	if err != nil {
		return 0, fmt.Errorf("making a client: %w", err)
	}
	// As `kubectl apply` does: a field that does not exist is an error, not dropped.
	server.client = client.WithFieldValidation(plain, metav1.FieldValidationStrict)
	if err := server.client.Create(context.Background(), namespace("shop")); err != nil {
		return 0, fmt.Errorf("creating a namespace: %w", err)
	}
	code = m.Run()
	if stopOperator != nil {
		stopOperator()
	}
	return code, nil
}
