package rootfs

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Extract lays a layer out in a directory, so that tests can run its programs without a
// container runtime. The directory is replaced. Owners are set when root does it; another user
// gets files of its own, which is enough to run them.
func Extract(layer io.Reader, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("removing the earlier root file system: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making a folder for the root file system: %w", err)
	}
	in := tar.NewReader(layer)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the layer: %w", err)
		}
		if err := place(in, header, dir); err != nil {
			return fmt.Errorf("unpacking /%s into %s: %w", header.Name, dir, err)
		}
	}
}

func place(in io.Reader, header *tar.Header, dir string) error {
	path := filepath.Join(dir, header.Name)
	if !strings.HasPrefix(path, filepath.Clean(dir)+"/") {
		return fmt.Errorf("the name leads out of the layer")
	}
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	case tar.TypeLink:
		return os.Link(filepath.Join(dir, header.Linkname), path)
	case tar.TypeReg:
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(file, in); err != nil {
			_ = file.Close()
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unexpected type %q", header.Typeflag)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, header.Uid, header.Gid); err != nil {
			return err
		}
	}
	return os.Chmod(path, os.FileMode(header.Mode&0o777)|sticky(header.Mode))
}

func sticky(mode int64) os.FileMode {
	if mode&0o1000 != 0 {
		return os.ModeSticky
	}
	return 0
}
