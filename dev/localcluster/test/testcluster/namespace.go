package testcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/image"
)

// Image is what the tests' pods run: busybox, a shell with the usual programs in one static file.
const Image = "localcluster.timonier.io/test:1"

// WriteImage writes the archive of an image under a name, Image for one. It builds what is ours and
// installs busybox where it lacks.
func WriteImage(path, reference string) error {
	if _, err := os.Stat("/bin/busybox"); err != nil {
		install := exec.Command("apt-get", "install", "-y", "-qq", "-o", "DPkg::Lock::Timeout=300", "busybox-static")
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("installing busybox-static: %w: %s", err, out)
		}
	}
	probe := filepath.Join(filepath.Dir(path), "probe")
	build := exec.Command("go", "build", "-o", probe, "./test/probe")
	build.Dir = filepath.Join(root(), "dev", "localcluster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the probe: %w: %s", err, out)
	}
	links := map[string]string{}
	for _, program := range strings.Fields("sh cat dd df echo httpd ls mkdir ps rm sleep sync touch") {
		links["/bin/"+program] = "busybox"
	}
	return image.Program{Reference: reference, Links: links, Entrypoint: []string{"/bin/sh"},
		Files: map[string]string{"/bin/busybox": "/bin/busybox", "/bin/probe": probe}}.Write(path)
}

// Namespace is where one test's objects are.
type Namespace struct {
	t    testing.TB
	Name string
}

// NewNamespace makes a namespace, which is deleted when the test ends.
func NewNamespace(t testing.TB) Namespace {
	t.Helper()
	n := Namespace{t: t, Name: "test-" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))}
	n.Name = strings.TrimRight(n.Name[:min(len(n.Name), 60)], "-")
	Kubectl(t, "create", "namespace", n.Name)
	t.Cleanup(func() {
		if t.Failed() {
			events, _ := TryKubectl(context.Background(), "", "-n", n.Name, "get", "pods,pvc,events", "-o", "wide")
			t.Logf("what was in the namespace:\n%s", events)
		}
		if _, err := TryKubectl(context.Background(), "", "delete", "namespace", n.Name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Kubectl runs kubectl in the namespace; it must succeed.
func (n Namespace) Kubectl(args ...string) string {
	n.t.Helper()
	return Kubectl(n.t, append([]string{"-n", n.Name}, args...)...)
}

// Try runs kubectl in the namespace.
func (n Namespace) Try(args ...string) (string, error) {
	return TryKubectl(n.t.Context(), "", append([]string{"-n", n.Name}, args...)...)
}

// Apply creates objects from YAML.
func (n Namespace) Apply(manifest string) {
	n.t.Helper()
	if _, err := TryKubectl(n.t.Context(), manifest, "-n", n.Name, "apply", "-f", "-"); err != nil {
		n.t.Fatal(err)
	}
}

// Claim asks for a volume.
func (n Namespace) Claim(name, class, size string) {
	n.t.Helper()
	n.Apply(fmt.Sprintf(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s},
  spec: {accessModes: [ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: %s}}}}`, name, class, size))
}

// Pod describes a pod of a test. Empty fields are left out.
type Pod struct {
	Name, Node, Claim string
	// Command is run by a shell.
	Command string
}

// Start makes a pod with the volume of its claim at /data. It does not wait.
func (n Namespace) Start(p Pod) {
	n.t.Helper()
	node, mount, volumes := "{}", "[]", "[]"
	if p.Node != "" {
		node = "{kubernetes.io/hostname: " + p.Node + "}"
	}
	if p.Claim != "" {
		mount = "[{name: data, mountPath: /data}]"
		volumes = "[{name: data, persistentVolumeClaim: {claimName: " + p.Claim + "}}]"
	}
	if p.Command == "" {
		p.Command = "sleep 100000"
	}
	n.Apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, labels: {app: %[1]s}}
spec:
  nodeSelector: %[2]s
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  volumes: %[4]s
  containers:
  - name: main
    image: %[5]s
    command: [/bin/sh, -c, %[6]q]
    volumeMounts: %[3]s
`, p.Name, node, mount, volumes, Image, p.Command))
}

// Run makes a pod and waits until it runs.
func (n Namespace) Run(p Pod) {
	n.t.Helper()
	n.Start(p)
	n.Running(p.Name)
}

// Running waits until a pod's container runs.
func (n Namespace) Running(pod string) {
	n.t.Helper()
	Eventually(n.t, time.Minute, "pod "+pod+" runs", func() error {
		ready, err := n.Try("get", "pod", pod, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && ready != "True" {
			err = fmt.Errorf("it is not ready")
		}
		return err
	})
}

// Sh runs a shell command in a pod; it must succeed.
func (n Namespace) Sh(pod, command string) string {
	n.t.Helper()
	out, err := n.TrySh(pod, command)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// TrySh runs a shell command in a pod.
func (n Namespace) TrySh(pod, command string) (string, error) {
	return n.Try("exec", pod, "--", "sh", "-c", command)
}

// Default is the namespace that is always there.
func Default(t testing.TB) Namespace { return Namespace{t: t, Name: "default"} }
