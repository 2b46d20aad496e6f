package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/timonier-io/timonier/images/image"
)

// lock lets one build at a time use a cache; another waits for it.
func lock(cache string) (unlock func(), err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, fmt.Errorf("making the cache of builds: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the cache of builds: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("locking the cache of builds %s: %w", cache, err)
	}
	return func() { _ = file.Close() }, nil // closing releases it
}

// keyOf is a short name for what the values say, the same on every machine.
func keyOf(values ...any) (string, error) {
	content, err := json.Marshal(values) // maps are written in the order of their keys
	if err != nil {
		return "", fmt.Errorf("computing the key of a build: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8]), nil
}

// readBase returns the last build's record with its layer. The error wraps fs.ErrNotExist if
// one of them is not there.
func readBase(record, cache string) (base, error) {
	content, err := os.ReadFile(record)
	if err != nil {
		return base{}, fmt.Errorf("reading the record of the last build: %w", err)
	}
	var b base
	if err := json.Unmarshal(content, &b); err != nil {
		return base{}, fmt.Errorf("reading the record of the last build in %s: %w", record, err)
	}
	if b.layer, err = image.OpenLayer(b.path(cache)); err != nil {
		return base{}, err
	}
	return b, nil
}

// writeBase notes a build and removes the layers of earlier ones.
func writeBase(record, cache string, b base) error {
	content, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("noting the build: %w", err)
	}
	if err := os.WriteFile(record, content, 0o644); err != nil {
		return fmt.Errorf("noting the build: %w", err)
	}
	layers, err := filepath.Glob(filepath.Join(cache, "layer-*"))
	if err != nil {
		return fmt.Errorf("looking for layers of earlier builds: %w", err)
	}
	for _, path := range layers {
		if path == b.path(cache) || path == b.path(cache)+".json" {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing the layer of an earlier build: %w", err)
		}
	}
	return nil
}
