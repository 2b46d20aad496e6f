// Command timonier-instance is PID 1 of every PostgreSQL pod.
//
//	timonier-instance run                          the instance manager
//	timonier-instance install <path>               copies itself, for the init container
//	timonier-instance image-version --major 17     tells which PostgreSQL the image holds, as JSON
//	timonier-instance version                      its own version
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/instance"
	"github.com/timonier-io/timonier/internal/instance/programs"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/version"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "timonier-instance:", err)
		os.Exit(1)
	}
}

func command(arguments []string) error {
	switch {
	case len(arguments) == 1 && arguments[0] == "run":
		return run()
	case len(arguments) == 2 && arguments[0] == "install":
		return install(arguments[1])
	case len(arguments) == 3 && arguments[0] == "image-version" && arguments[1] == "--major":
		return imageVersion(arguments[2])
	case len(arguments) == 1 && arguments[0] == "version":
		_, err := fmt.Println(version.String())
		return err
	}
	return errors.New("usage: timonier-instance run | install <path> | image-version --major <version> | version")
}

// Memory: this program runs beside every database, and what it holds the database does not have. It lives on a few
// MiB, so collecting twice as often costs nothing that can be measured; the limit keeps a burst (an upload, a big status) from
// leaving its mark.
const (
	collectAt   = 50
	memoryLimit = 16 << 20
)

func run() error {
	runtime.GOMAXPROCS(1) // nearly always it waits, and the threads of a second processor that look for work cost more than it does
	debug.SetGCPercent(collectAt)
	debug.SetMemoryLimit(memoryLimit)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	options, err := optionsFrom(os.Getenv)
	if err != nil {
		return err
	}
	options.Environment, options.Output, options.Version = os.Environ(), os.Stdout, version.String()
	manager, err := instance.New(options)
	if err != nil {
		return err
	}
	return manager.Run(ctx)
}

// terminationLog is where the kubelet takes a container's last message from.
const terminationLog = "/dev/termination-log"

// imageVersion tells which version the image's programs are of, so that no running pod is stopped for a wrong image.
func imageVersion(major string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	found := programs.Programs{Directory: programs.Find(major), Environment: os.Environ(), Runner: supervisor.NewChildren()}
	output, err := found.Run(ctx, "postgres", "--version")
	if err != nil {
		return err
	}
	parsed, err := found.Version(ctx)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(struct {
		// Version is what `postgres --version` prints.
		Version string `json:"version"`
		Major   int    `json:"major"`
		Minor   int    `json:"minor"`
	}{strings.TrimSpace(output), parsed.Major, parsed.Minor})
	if err != nil {
		return err
	}
	if err := os.WriteFile(terminationLog, answer, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("telling the kubelet: %w", err)
	}
	_, err = fmt.Println(string(answer))
	return err
}
