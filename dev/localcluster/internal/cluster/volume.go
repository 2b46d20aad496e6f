package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/api"
	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/disk"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// VolumeVerbs are the faults of a volume by name, given the path where it can be reached.
var VolumeVerbs = map[string]func(mountPoint string) error{
	"stall":   disk.Stall,
	"release": func(mountPoint string) error { _, err := disk.Release(mountPoint); return err },
	"fill":    disk.Fill,
	"drain":   disk.Drain,
}

// Volume runs one of VolumeVerbs on the volume of a claim, "namespace/name" or, in the namespace
// default, "name".
func (c Cluster) Volume(ctx context.Context, verb, claim string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.settings(); err != nil {
		return err
	}
	if !strings.Contains(claim, "/") {
		claim = "default/" + claim
	}
	name, err := c.volumeOf(ctx, claim)
	if err != nil {
		return err
	}
	for _, v := range c.mounted() {
		if v.name == name {
			if verb != "release" && verb != "stall" && v.stalled() {
				return fmt.Errorf("the volume of %s is stalled and would hang: `localcluster volume release %s` first", claim, claim)
			}
			if err := VolumeVerbs[verb](v.path); err != nil {
				return err
			}
			return c.note(v, verb, claim)
		}
	}
	return fmt.Errorf("the volume of %s (%s) is mounted on no node: start a pod that uses it first", claim, name)
}

// volumeOf asks the API server which volume a claim is bound to, and falls back on what was noted
// when the fault was made: a release must work while the API server is gone.
func (c Cluster) volumeOf(ctx context.Context, claim string) (string, error) {
	namespace, name, _ := strings.Cut(claim, "/")
	var pvc struct {
		Spec struct{ VolumeName string }
	}
	client, err := c.client()
	if err == nil {
		err = client.Get(ctx, "/api/v1/namespaces/"+namespace+"/persistentvolumeclaims/"+name, &pvc)
	}
	var refused *api.StatusError
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("looking up the claim %s: %w", claim, err)
	case err != nil:
		if noted, ok := c.noted(claim); ok {
			return noted, nil
		}
		return "", err
	case pvc.Spec.VolumeName == "":
		return "", fmt.Errorf("the claim %s has no volume yet: it gets one when a pod uses it", claim)
	}
	return pvc.Spec.VolumeName, nil
}

// mountedVolume is a volume in use, reached through the namespace of the node that uses it.
type mountedVolume struct {
	name, node string
	// path reaches the volume from the host: /proc/PID/root leads into a process's mounts.
	path string
	// image is the volume's file; a fault is noted beside it.
	image string
}

func (c Cluster) mounted() []mountedVolume {
	var volumes []mountedVolume
	for _, image := range disk.Attached(c.Dir.Volumes()) {
		device := disk.Loop(image)
		for _, unit := range cgroup.Units() {
			if unit == controlplane.Unit {
				continue
			}
			pid, err := spawn.PID(unit, node.CSI)
			if err != nil {
				continue
			}
			if point := disk.MountPoint(strconv.Itoa(pid), device); point != "" {
				volumes = append(volumes, mountedVolume{
					name: strings.TrimSuffix(filepath.Base(image), ".img"), node: unit, image: image,
					path: filepath.Join("/proc", strconv.Itoa(pid), "root", point),
				})
			}
		}
	}
	return volumes
}

// stallNote is a file beside the image of a stalled volume, holding the claim's name. The kernel does
// not tell whether a file system is frozen.
func stallNote(image string) string { return strings.TrimSuffix(image, ".img") + ".stalled" }

func (v mountedVolume) stalled() bool { _, err := os.Stat(stallNote(v.image)); return err == nil }

func (c Cluster) note(v mountedVolume, verb, claim string) error {
	switch verb {
	case "stall":
		return os.WriteFile(stallNote(v.image), []byte(claim), 0o644)
	case "release":
		if err := os.Remove(stallNote(v.image)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (c Cluster) noted(claim string) (string, bool) {
	notes, _ := filepath.Glob(stallNote(disk.Image(c.Dir.Volumes(), "*")))
	for _, note := range notes {
		if content, err := os.ReadFile(note); err == nil && string(content) == claim {
			return strings.TrimSuffix(filepath.Base(note), ".stalled"), true
		}
	}
	return "", false
}

// releaseOn releases the stalled volumes of a node.
func (c Cluster) releaseOn(nodeName string) error {
	var errs []error
	for _, v := range c.mounted() {
		if v.node == nodeName {
			_, err := disk.Release(v.path)
			errs = append(errs, err, c.note(v, "release", ""))
		}
	}
	return errors.Join(errs...)
}

// releaseAll releases every stalled volume. Whatever a note says, all are tried: a command may have
// been killed between the stalling and the note.
func (c Cluster) releaseAll(context.Context) error {
	var errs []error
	for _, unit := range cgroup.Units() {
		errs = append(errs, c.releaseOn(unit))
	}
	return errors.Join(errs...)
}

// waitForDetach waits until the kernel has let go of every volume's image.
func (c Cluster) waitForDetach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return until(ctx, func() error {
		if images := disk.Attached(c.Dir.Volumes()); len(images) > 0 {
			return fmt.Errorf("%d volumes are still attached to loop devices, the first is %s", len(images), images[0])
		}
		return nil
	})
}
