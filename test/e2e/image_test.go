//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// loadVariant makes a PostgreSQL image of another digest, whose difference is seen in a pod, and loads it into
// every node.
func loadVariant(t *testing.T, reference, file, content string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "variant.tar")
	mustRun(t, program("imagebuild"), "postgres", "--out", archive, "--cache", filepath.Join(root, ".local", "images", "cache"),
		"--tag", reference, "--add-file", file+"="+content)
	localcluster(t, "load", archive)
}

func TestAnotherImageIsRolledThroughTheClusterStandbysFirst(t *testing.T) {
	const variant = "timonier.local/postgres:17-blue"
	loadVariant(t, variant, "/etc/variant", "blue") // while nobody else measures how long something is away
	t.Parallel()
	c := newSpace(t).create("rolled")
	c.waitReady()
	primary, before, digests := c.primary(), c.processes(), c.digests()
	w := c.underLoad()

	c.edit(func(s *spec) { s.Image = variant })
	c.mustRestartInOrder(primary, false, func(pod corev1.Pod) (time.Time, error) {
		if string(pod.UID) == before[pod.Name].pod {
			return time.Time{}, fmt.Errorf("%s is still the former pod", pod.Name)
		}
		return pod.CreationTimestamp.Time, nil
	})
	c.waitReady()
	for _, pod := range c.instancePods() {
		if out, err := c.shell(pod.Name, "cat /etc/variant"); err != nil || out != "blue" {
			t.Errorf("the new image is not in %s: %q (%v)", pod.Name, out, err)
		}
	}
	for name, digest := range c.digests() {
		if digest == digests[name] {
			t.Errorf("%s runs an image of the same digest", name)
		}
	}
	if image := c.mustGet().Status.Image; image == nil || image.Reference != variant {
		t.Errorf("the status tells of the image %+v", image)
	}
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	w.finish(1)
}

// digests of the images that the instances run.
func (c *cluster) digests() map[string]string {
	digests := map[string]string{}
	for _, pod := range c.instancePods() {
		for _, status := range pod.Status.ContainerStatuses {
			digests[pod.Name] = status.ImageID
		}
	}
	return digests
}

// An image that is of no use is found out before any pod is stopped for it.
func TestAnImageThatCannotServeStopsNobody(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("careful", instances(2))
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	const absent = "timonier.local/postgres:no-such-tag"
	c.edit(func(s *spec) { s.Image = absent })
	c.waitStalled(v1alpha1.ReasonImagePull, absent, "go on", "spec.image")

	// The operator's image has no PostgreSQL at all.
	const foreign = "timonier.local/timonier:dev"
	c.edit(func(s *spec) { s.Image = foreign })
	c.waitStalled(v1alpha1.ReasonImageVersion, foreign, "17", "go on")

	c.edit(func(s *spec) { s.Image = "" })
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
	if pods := c.pods(t.Context()); len(pods) != 2 {
		t.Errorf("a pod that asked an image is left: %d pods", len(pods))
	}
}

func TestVersion15IsServedByTheSameImage(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("older", instances(2), func(s *spec) { s.Version = "15" })
	c.waitReady()
	for _, pod := range c.instancePods() {
		if version := c.mustSuperuser(pod.Name, "postgres", "SELECT current_setting('server_version_num')::int / 10000"); version != "15" {
			t.Errorf("%s runs PostgreSQL %s", pod.Name, version)
		}
	}
	c.underLoad().finish(0)
	err := c.tryEdit(func(s *spec) { s.Version = "17" })
	if problem := refusedWith(err, "not possible yet"); problem != nil {
		t.Errorf("another major version: %v", problem)
	}
}

func TestAnImageThatCannotBePulledAtFirstIsSaidAndCanBeCorrected(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("mistyped", instances(1), func(s *spec) { s.Image = "timonier.local/postgras:17" })
	c.waitStalled(v1alpha1.ReasonImagePull, "timonier.local/postgras:17", "spec.image")
	c.edit(func(s *spec) { s.Image = postgresImage })
	c.waitReady()
}

// TestThePostgresImageRunsAsAnyUser runs it under a user that it knows nothing of.
func TestThePostgresImageRunsAsAnyUser(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	env := []corev1.EnvVar{
		{Name: "LD_PRELOAD", Value: "libnss_wrapper.so"},
		{Name: "NSS_WRAPPER_PASSWD", Value: "/tmp/passwd"}, {Name: "NSS_WRAPPER_GROUP", Value: "/tmp/group"},
	}
	mounts := []corev1.VolumeMount{
		{Name: "writable", MountPath: "/tmp", SubPath: "tmp"}, {Name: "writable", MountPath: "/var/run/postgresql", SubPath: "socket"},
		{Name: "writable", MountPath: "/data", SubPath: "data"},
	}
	user := int64(123456)
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{FSGroup: &user},
		Containers: []corev1.Container{{
			Name: "postgres", Image: postgresImage, Env: env, VolumeMounts: mounts, SecurityContext: restricted(user),
			Command: []string{"sh", "-ec", `
echo "somebody:x:$(id -u):0::/tmp:/bin/sh" >/tmp/passwd
echo "somebody:x:0:" >/tmp/group
mkdir -m 700 /data/pg
initdb --no-sync --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8 -U somebody -D /data/pg
exec postgres -D /data/pg`},
		}},
		Volumes: []corev1.Volume{{Name: "writable", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
	}}
	pod.Name = "anybody"
	s.startPod(pod)
	eventually(t, saidWithin, "PostgreSQL serves", func() error {
		out, err := s.shell("anybody", `id -u; psql -d postgres -XAtc "SELECT current_user, datlocprovider, datlocale FROM pg_database WHERE datname = 'postgres'"`)
		if want := fmt.Sprintf("%d\nsomebody|b|C.UTF-8", user); err == nil && out != want {
			err = fmt.Errorf("it says %q", out)
		}
		return err
	})
}
