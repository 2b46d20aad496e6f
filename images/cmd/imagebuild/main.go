// Command imagebuild makes Timonier's container images from Debian packages and from static
// binaries, without a container engine or a registry, and pushes them where there is one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is a verb of this program.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, out io.Writer) error
}

var commands = []command{
	{"postgres", "make the PostgreSQL image from Debian packages", runPostgres},
	{"timonier", "make the image of Timonier's own binaries", runTimonier},
	{"push", "push image archives to a registry", runPush},
	{"registry", "serve a registry in memory, for tests", runRegistry},
	{"run", "run a program of an unpacked root file system, read-only and under any UID", runRun},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return // help has been printed by the flag package
	}
	fmt.Fprintln(os.Stderr, "imagebuild:", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		for _, c := range commands {
			if c.name == args[0] {
				return c.run(ctx, args[1:], out)
			}
		}
	}
	_, _ = fmt.Fprintln(out, "usage: imagebuild COMMAND [flags]; COMMAND -h lists the flags")
	for _, c := range commands {
		_, _ = fmt.Fprintf(out, "  %-10s %s\n", c.name, c.summary)
	}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return nil
	}
	return fmt.Errorf("there is no command %q", args[0])
}
