package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const (
	// operatorNamespace and operatorAccount are those of config/rbac.
	operatorNamespace = "timonier-system"
	operatorAccount   = "system:serviceaccount:" + operatorNamespace + ":timonier-operator"
	// startPatience with the start and the stop of etcd and of the API server: the machine may be busy, and their data great.
	startPatience = 3 * time.Minute
	// serviceRange has a cluster IP for two Services of each cluster: that of envtest ends at 254.
	serviceRange = "10.0.0.0/16"
	// etcdQuota is what etcd may hold, in bytes: its own default of 2 GiB is too little for some sixty thousand objects with their former versions.
	etcdQuota = 8 << 30
	// collects is GOGC of the API server and of etcd, which hold some GiB here: what they do for themselves takes the cores from the operator, whichever run it falls into.
	collects = "400"
)

// world is an API server with an etcd, and how to reach it.
type world struct {
	environment *envtest.Environment
	scheme      *runtime.Scheme
	config      *rest.Config
	kube        client.Client
	http        *http.Client
	// directory for files of this run, "" before there is one; the kubeconfig of the operator is in it.
	directory string
}

func newWorld(bin string) *world {
	environment := &envtest.Environment{
		BinaryAssetsDirectory: bin,
		CRDDirectoryPaths:     []string{filepath.Join("config", "crd")}, ErrorIfCRDPathMissing: true,
		CRDInstallOptions:        envtest.CRDInstallOptions{MaxTime: startPatience},
		ControlPlaneStartTimeout: startPatience, ControlPlaneStopTimeout: startPatience,
	}
	environment.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", serviceRange)
	environment.ControlPlane.Etcd = &envtest.Etcd{}
	environment.ControlPlane.Etcd.Configure().Set("quota-backend-bytes", strconv.Itoa(etcdQuota))
	return &world{environment: environment, scheme: runtime.NewScheme()}
}

// start both, with the CRDs, the rights of the operator and its namespace.
func (w *world) start(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(w.environment.BinaryAssetsDirectory, "kube-apiserver")); err != nil {
		return fmt.Errorf("there is no kube-apiserver: run `make localcluster`, which builds it: %w", err)
	}
	if err := errors.Join(clientscheme.AddToScheme(w.scheme), v1alpha1.AddToScheme(w.scheme), platformv1alpha1.AddToScheme(w.scheme)); err != nil {
		return err
	}
	config, err := w.serve()
	if err != nil {
		return fmt.Errorf("starting an API server: %w", err)
	}
	w.config = rest.CopyConfig(config)
	// Whoever plays kubelets must not be the brake; warnings about addresses are known.
	w.config.QPS, w.config.WarningHandler = -1, rest.NoWarnings{}
	if w.kube, err = client.New(w.config, client.Options{Scheme: w.scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if w.http, err = rest.HTTPClientFor(w.config); err != nil {
		return fmt.Errorf("making a client of metrics: %w", err)
	}
	if w.directory, err = os.MkdirTemp("", "bench-scale-"); err != nil {
		return err
	}
	if err := w.writeKubeconfig(); err != nil {
		return fmt.Errorf("writing the operator's kubeconfig: %w", err)
	}
	return w.install(ctx)
}

// serve the API. What is started hands its environment on; the operator's is as it was.
func (w *world) serve() (_ *rest.Config, err error) {
	const variable = "GOGC"
	former, was := os.LookupEnv(variable)
	if err := os.Setenv(variable, collects); err != nil {
		return nil, err
	}
	defer func() {
		if was {
			err = errors.Join(err, os.Setenv(variable, former))
		} else {
			err = errors.Join(err, os.Unsetenv(variable))
		}
	}()
	return w.environment.Start()
}

// stop both, also after a start that failed half-way, and remove what they kept.
func (w *world) stop() error {
	err := w.environment.Stop()
	if err != nil {
		err = fmt.Errorf("stopping the API server: %w", err)
	}
	if w.directory != "" {
		err = errors.Join(err, os.RemoveAll(w.directory))
	}
	return err
}

func (w *world) kubeconfig() string { return filepath.Join(w.directory, "kubeconfig") }

// writeKubeconfig with which the operator has its own rights and no others.
func (w *world) writeKubeconfig() error {
	access, err := clientcmd.Load(w.environment.KubeConfig)
	if err != nil {
		return err
	}
	for _, user := range access.AuthInfos {
		user.Impersonate = operatorAccount
	}
	return clientcmd.WriteToFile(*access, w.kubeconfig())
}

// install what the operator needs, beside the CRDs.
func (w *world) install(ctx context.Context) error {
	if err := w.kube.Create(ctx, namespace(operatorNamespace)); err != nil {
		return err
	}
	for _, name := range []string{"role.yaml", "binding.yaml"} {
		file := filepath.Join("config", "rbac", name)
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq("\n"+string(content), "\n---") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if err := w.kube.Create(ctx, object); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

// namespace in which pods are held to what the local cluster holds them to.
func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
}

// requests that the API server has answered since it started.
func (w *world) requests(ctx context.Context) (requests, error) {
	server, _, err := rest.DefaultServerUrlFor(w.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.JoinPath("metrics").String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := w.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics of the API server: %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	var text strings.Builder
	for lines.Scan() {
		if strings.Contains(lines.Text(), requestsFamily) {
			text.WriteString(lines.Text() + "\n")
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the metrics of the API server: %w", err)
	}
	return parseRequests(text.String())
}
