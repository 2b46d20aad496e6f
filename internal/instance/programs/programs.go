// Package programs runs the programs of PostgreSQL: initdb, pg_controldata,
// pg_basebackup and the like, to their end. (The server itself is started by
// package supervisor.) It knows where they are, as which user they run, and turns
// what they print on failure into an error.
package programs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres"
)

// Runner starts children; supervisor.Children is one, which keeps the reaper of PID 1 from taking their exit.
type Runner interface {
	Run(cmd *exec.Cmd) error
}

// Programs of one version of PostgreSQL.
type Programs struct {
	// Directory they are in; "" means PATH.
	Directory string
	// Environment of every child.
	Environment []string
	Runner      Runner
}

// Find looks where Debian's packages put this major version, and leaves the rest to PATH.
func Find(major string) string {
	directory := filepath.Join("/usr/lib/postgresql", major, "bin")
	if _, err := os.Stat(filepath.Join(directory, "postgres")); err == nil {
		return directory
	}
	return ""
}

// Path of a program.
func (p Programs) Path(name string) string {
	if p.Directory == "" {
		return name
	}
	return filepath.Join(p.Directory, name)
}

// Run runs a program to its end and returns what it printed on standard output. Its error holds what it printed on standard error.
func (p Programs) Run(ctx context.Context, name string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.Path(name), arguments...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = &stdout, &stderr, p.Environment, "/"
	if err := p.Runner.Run(cmd); err != nil {
		return stdout.String(), failure(name, err, stderr.String())
	}
	return stdout.String(), nil
}

// Error is a program that failed.
type Error struct {
	Program string
	// Output is what it printed on standard error, without blanks at its ends.
	Output string
	Err    error
}

func (e *Error) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("%s: %v", e.Program, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Program, e.Err, strings.ReplaceAll(e.Output, "\n", "; "))
}

func (e *Error) Unwrap() error { return e.Err }

func failure(name string, err error, stderr string) error {
	const longest = 2000
	stderr = strings.TrimSpace(stderr)
	if len(stderr) > longest { // the end tells why it gave up
		stderr = "…" + strings.ToValidUTF8(stderr[len(stderr)-longest:], "")
	}
	return &Error{Program: name, Output: stderr, Err: err}
}

// Version of the server program.
func (p Programs) Version(ctx context.Context) (postgres.Version, error) {
	output, err := p.Run(ctx, "postgres", "--version")
	if err != nil {
		return postgres.Version{}, err
	}
	return postgres.ParseVersion(strings.TrimSpace(output))
}

// ControlData of a data directory, also while a server runs on it.
func (p Programs) ControlData(ctx context.Context, directory string) (postgres.ControlData, error) {
	output, err := p.Run(ctx, "pg_controldata", "--pgdata="+directory)
	if err != nil {
		return postgres.ControlData{}, err
	}
	return postgres.ParseControlData(output)
}

// CheckConfiguration lets the server program parse a configuration file. The error's Output holds its complaints, a line each.
func (p Programs) CheckConfiguration(ctx context.Context, file string) error {
	_, err := p.Run(ctx, "postgres", "-C", "port", "-D", filepath.Dir(file), "-c", "config_file="+file)
	return err
}

// Complained tells that a program ended by itself and said why: one that was killed, as when nobody waits for it any more, has judged nothing.
func Complained(err error) bool {
	var failed *Error
	var exit *exec.ExitError
	return errors.As(err, &failed) && failed.Output != "" && errors.As(err, &exit) && exit.Exited()
}

// Complaints are the lines that a server program printed, without severity and the lines that say nothing of the cause.
func Complaints(err error) []string {
	var failed *Error
	if !errors.As(err, &failed) {
		return []string{err.Error()}
	}
	var lines []string
	for line := range strings.Lines(failed.Output) {
		line = strings.TrimSpace(line)
		for _, severity := range []string{"LOG:", "FATAL:", "ERROR:", "postgres: "} {
			if _, rest, found := strings.Cut(line, severity); found {
				line = strings.TrimSpace(rest)
			}
		}
		if line != "" && !strings.Contains(line, "configuration file") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return []string{failed.Error()}
	}
	return lines
}
