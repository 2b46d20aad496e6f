package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/timonier-io/timonier/images/buildah"
	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/stage"
)

// debianBase makes what debian:trixie is, for no registry is asked: a root file system with
// apt, that gets packages where this machine does.
func debianBase(ctx context.Context, suite, dir string) (tar string, err error) {
	mirrors, err := debian.HostMirrors("/")
	if err != nil {
		return "", err
	}
	access, err := debian.HostAccess(ctx)
	if err != nil {
		return "", err
	}
	sources := filepath.Join(dir, "debian.sources")
	if err := os.WriteFile(sources, []byte(stanzas(mirrors, suite)), 0o644); err != nil {
		return "", err
	}
	tar = filepath.Join(dir, "base.tar")
	args := []string{
		"--quiet", "--mode=root", "--variant=apt", "--include=debian-archive-keyring",
		"--dpkgopt=force-unsafe-io", // as Debian's own images have it
		"--customize-hook=upload " + sources + " /etc/apt/sources.list.d/debian.sources",
		"--customize-hook=rm \"$1\"/etc/apt/sources.list.d/0000debian.sources",
	}
	for _, line := range append(access, `Acquire::Languages "none";`) {
		args = append(args, "--aptopt="+line) // stays in the base, whose own apt needs it too
	}
	out, err := exec.CommandContext(ctx, "mmdebstrap", append(args, suite, tar, sources)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("mmdebstrap: %w\n%s", err, bytes.TrimSpace(out))
	}
	return tar, nil
}

// stanzas are apt's sources in the format that Debian's own images have.
func stanzas(mirrors debian.Mirrors, suite string) string {
	const stanza = "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n"
	text := fmt.Sprintf(stanza, mirrors.Archive, suite+" "+suite+"-updates", debian.KeyringPath)
	if mirrors.Security != "" {
		text += fmt.Sprintf(stanza, mirrors.Security, suite+"-security", debian.KeyringPath)
	}
	return text
}

func TestTheDockerfileMakesAnEqualImage(t *testing.T) {
	ours := theImage(t)
	ctx := t.Context()
	log := stage.New("Dockerfile", os.Stdout, time.Now)
	needs := slices.Concat(buildah.Needs, []debian.Need{{Path: "/usr/bin/mmdebstrap", Package: "mmdebstrap"}})
	if err := debian.Provide(ctx, os.Stdout, needs...); err != nil {
		t.Fatal(err)
	}
	store := buildah.Store{Dir: t.TempDir()}
	const name = "localhost/postgres"
	var tar string
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"base by mmdebstrap", func() (err error) {
			tar, err = debianBase(ctx, NewRecipe("").Request.Suite, t.TempDir())
			return err
		}},
		{"base into the store", func() error { return store.FromTar(ctx, tar, "localhost/debian") }},
		{"build", func() error {
			return store.Build(ctx, buildah.Build{
				Dockerfile: "Dockerfile", Context: ".", Image: name, Args: map[string]string{"BASE": "localhost/debian"},
			})
		}},
	} {
		if err := log.Run(step.name, step.do); err != nil {
			t.Fatal(err)
		}
	}

	printed, err := store.Run(ctx, name, "sh", "-c", askVersions)
	if err != nil {
		t.Fatal(err)
	}
	sameVersions(t, ours.Versions, printed)

	// How they run is the same; the Dockerfile carries no labels with versions.
	got, err := store.Config(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	want := configOf(t, ours.options.Out)
	if got.User != want.User || !slices.Equal(got.Cmd, want.Cmd) || !slices.Equal(got.Entrypoint, want.Entrypoint) ||
		!slices.Equal(got.Env, want.Env) || got.WorkingDir != want.WorkingDir ||
		got.Labels[VersionsLabel] != want.Labels[VersionsLabel] {
		t.Errorf("the Dockerfile's image runs as\n%+v\nand the one made without Docker as\n%+v", got, want)
	}
}
