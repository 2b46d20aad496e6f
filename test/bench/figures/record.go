package figures

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// Read a record of what was measured into target; it stays as it is where there is no file yet.
func Read(file string, target any) error {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(content, target)
	}
	return err
}

// Write all of a record, or nothing.
func Write(file string, record any) error {
	content, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(content, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
