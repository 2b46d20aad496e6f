package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Package is a downloaded package file and what it says of itself.
type Package struct {
	File    string
	Name    string
	Version string
	Control string // the whole control record, as dpkg's status would hold it
}

// Open reads the control record of a package file.
func Open(ctx context.Context, file string) (Package, error) {
	out, err := exec.CommandContext(ctx, "dpkg-deb", "--field", file).Output()
	if err != nil {
		return Package{}, fmt.Errorf("reading the control record of %s: %w", file, withStderr(err))
	}
	p := Package{File: file, Control: string(out)}
	for line := range strings.Lines(p.Control) {
		if value, found := strings.CutPrefix(line, "Package: "); found {
			p.Name = strings.TrimSpace(value)
		}
		if value, found := strings.CutPrefix(line, "Version: "); found {
			p.Version = strings.TrimSpace(value)
		}
	}
	if p.Name == "" || p.Version == "" {
		return Package{}, fmt.Errorf("%s has no Package or no Version field: it is not a Debian package, remove it and build again", file)
	}
	return p, nil
}

// Upstream is the version without Debian's epoch and revision: "1:17.2-1" is 17.2.
func (p Package) Upstream() string {
	version := p.Version
	if _, after, found := strings.Cut(version, ":"); found {
		version = after
	}
	if i := strings.LastIndex(version, "-"); i >= 0 {
		version = version[:i]
	}
	return version
}

// Files returns the package's content as a tar, uncompressed. Names start with "./".
func (p Package) Files(ctx context.Context) (*tar.Reader, error) {
	var content, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", p.File)
	cmd.Stdout, cmd.Stderr = &content, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("unpacking %s: %w: %s", p.File, err, tail(complaint.Bytes()))
	}
	return tar.NewReader(&content), nil
}

// withStderr adds what a command printed to its error; exec keeps it apart.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, tail(exit.Stderr))
	}
	return err
}
