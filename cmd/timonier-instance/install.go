package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// install copies this program to a path, as a whole or not at all.
func install(path string) (err error) {
	source, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("opening this program: %w", err)
	}
	defer func() { _ = source.Close() }() // only read
	temporary := path + ".tmp"
	target, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("installing: %w", err)
	}
	_, err = io.Copy(target, source)
	if err = errors.Join(err, target.Chmod(0o755), target.Sync(), target.Close()); err != nil {
		return fmt.Errorf("installing: %w", err)
	}
	return os.Rename(temporary, path)
}
