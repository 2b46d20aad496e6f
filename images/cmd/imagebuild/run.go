package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/timonier-io/timonier/images/sandbox"
)

// runRun runs a program of an unpacked root file system, for tests that ask the image's own
// programs whether they accept a configuration.
func runRun(ctx context.Context, args []string, out io.Writer) error {
	box := sandbox.Sandbox{}
	binds := pairs{}
	var env list
	flags := flag.NewFlagSet("imagebuild run", flag.ContinueOnError)
	flags.StringVar(&box.Root, "rootfs", ".local/images/postgres.rootfs", "root file system that 'postgres --rootfs' unpacked")
	flags.IntVar(&box.UID, "uid", 10001, "user to run as")
	flags.IntVar(&box.GID, "gid", 0, "group to run as")
	flags.Var(binds, "bind", "INSIDE=OUTSIDE: mount a folder of this machine; may be repeated")
	flags.Var(&env, "env", "NAME=VALUE for the program, which inherits nothing; may be repeated")
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	for inside, outside := range binds {
		abs, err := filepath.Abs(outside)
		if err != nil {
			return fmt.Errorf("finding the folder to bind at %s: %w", inside, err)
		}
		box.Binds = append(box.Binds, sandbox.Bind{Outside: abs, Inside: inside})
	}
	var err error
	if box.Root, err = filepath.Abs(box.Root); err != nil {
		return fmt.Errorf("finding the root file system: %w", err)
	}
	if _, err := os.Stat(box.Root); err != nil {
		return fmt.Errorf("no root file system: %w: make it with 'imagebuild postgres --rootfs %s'", err, box.Root)
	}
	box.Env = append([]string{
		"PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8",
	}, env...)
	cmd := box.Command(ctx, flags.Args()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s in %s: %w", strings.Join(flags.Args(), " "), box.Root, err)
	}
	return nil
}
