// Package buildah builds Dockerfiles with Debian's buildah, in a store of its own and without a
// registry: the images they start from are put into the store first. The tests of the
// Dockerfiles use it; it wants root.
package buildah

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/timonier-io/timonier/images/debian"
)

// Needs is what a machine must have; debian.Provide installs it.
var Needs = []debian.Need{
	{Path: "/usr/bin/buildah", Package: "buildah"},
	{Path: "/etc/containers/policy.json", Package: "golang-github-containers-image"},
}

// Store holds images and working containers in a folder.
type Store struct{ Dir string }

// FromTar makes an image of a root file system.
func (s Store) FromTar(ctx context.Context, tar, image string) error {
	return s.inContainer(ctx, "scratch", func(container string) error {
		if _, err := s.run(ctx, "add", "--quiet", container, tar, "/"); err != nil {
			return err
		}
		_, err := s.run(ctx, "commit", "--quiet", container, image)
		return err
	})
}

// Build is one build of a Dockerfile.
type Build struct {
	Dockerfile string
	Context    string // folder of the files that it copies
	Image      string // name of the result
	Args       map[string]string
}

// Build builds a Dockerfile. Its steps run on the machine's network, as the machine's own
// package manager does.
func (s Store) Build(ctx context.Context, b Build) error {
	args := []string{"build", "--isolation", "chroot", "--pull-never", "--file", b.Dockerfile, "--tag", b.Image}
	for name, value := range b.Args {
		args = append(args, "--build-arg", name+"="+value)
	}
	_, err := s.run(ctx, append(args, b.Context)...)
	return err
}

// Config returns how an image runs.
func (s Store) Config(ctx context.Context, image string) (v1.Config, error) {
	out, err := s.run(ctx, "inspect", "--type", "image", image)
	if err != nil {
		return v1.Config{}, err
	}
	var inspected struct {
		OCIv1 struct {
			Config v1.Config `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(out), &inspected); err != nil {
		return v1.Config{}, fmt.Errorf("reading what buildah says of %s: %w", image, err)
	}
	return inspected.OCIv1.Config, nil
}

// Run runs a command in an image and returns what it prints.
func (s Store) Run(ctx context.Context, image string, command ...string) (output string, err error) {
	err = s.inContainer(ctx, image, func(container string) error {
		output, err = s.run(ctx, append([]string{"run", "--isolation", "chroot", container, "--"}, command...)...)
		return err
	})
	return output, err
}

// Files lists the files of an image, by their path from its root.
func (s Store) Files(ctx context.Context, image string) (files []string, err error) {
	err = s.inContainer(ctx, image, func(container string) error {
		root, err := s.run(ctx, "mount", container) // the vfs store mounts nothing: it says where it is
		if err != nil {
			return err
		}
		root = strings.TrimSpace(root)
		return filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files = append(files, strings.TrimPrefix(path, root))
			}
			return err
		})
	})
	return files, err
}

// inContainer lends a working container made from an image.
func (s Store) inContainer(ctx context.Context, image string, use func(container string) error) error {
	from := []string{"from", "--pull-never", image}
	out, err := s.run(ctx, from...)
	if err != nil {
		return err
	}
	container := strings.TrimSpace(out)
	err = use(container)
	if _, removeErr := s.run(ctx, "rm", container); removeErr != nil && err == nil {
		err = removeErr
	}
	return err
}

func (s Store) run(ctx context.Context, args ...string) (string, error) {
	storage := []string{
		"--root", filepath.Join(s.Dir, "root"), "--runroot", filepath.Join(s.Dir, "run"),
		"--storage-driver", "vfs", // works on every file system and needs no mounts
	}
	cmd := exec.CommandContext(ctx, "buildah", append(storage, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("buildah %s: %w\n%s\n%s", strings.Join(args, " "), err,
			lastLines(stdout.String()), lastLines(stderr.String()))
	}
	return stdout.String(), nil
}

func lastLines(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
