package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/postgres"
	"github.com/timonier-io/timonier/images/stage"
)

func runPostgres(ctx context.Context, args []string, out io.Writer) error {
	files, labels := pairs{}, pairs{}
	opts := postgres.Options{Files: files, Labels: labels, Now: time.Now}
	flags := flag.NewFlagSet("imagebuild postgres", flag.ContinueOnError)
	flags.StringVar(&opts.Out, "out", ".local/images/postgres.tar", "archive to write; its digest is written beside it, in OUT.digest")
	flags.StringVar(&opts.Tag, "tag", "timonier.local/postgres:17", "name of the image in the archive")
	flags.StringVar(&opts.Cache, "cache", "", "folder kept between builds (default: the folder 'cache' beside OUT)")
	flags.StringVar(&opts.Rootfs, "rootfs", "", "folder in which to unpack the root file system as well")
	flags.StringVar(&opts.Mirrors.Archive, "mirror", "", "URL of a Debian mirror (default: the one in this machine's apt sources)")
	flags.StringVar(&opts.Mirrors.Security, "security-mirror", "", "URL of a mirror of Debian's security archive, with --mirror")
	flags.BoolVar(&opts.Refresh, "refresh", false, "look for newer packages even if that was done today")
	flags.Var(files, "add-file", "PATH=CONTENT to add in a layer on top; may be repeated")
	flags.Var(labels, "label", "NAME=VALUE to add to the labels; may be repeated")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	var err error
	if opts.Cache, err = cacheDir(opts.Cache, opts.Out); err != nil {
		return err
	}
	opts.Log = stage.New("postgres", out, time.Now)

	if err := debian.Provide(ctx, out,
		debian.Need{Path: debian.KeyringPath, Package: "debian-archive-keyring"},
		debian.Need{Path: "/usr/bin/dpkg-deb", Package: "dpkg"},
	); err != nil {
		return err
	}
	result, err := postgres.Build(ctx, opts)
	if err != nil {
		return err
	}
	report(opts.Log, opts.Out, result.Digest.String(), result.Size, result.Written)
	return nil
}

// cacheDir is absolute, for apt wants it so.
func cacheDir(given, out string) (string, error) {
	if given == "" {
		given = filepath.Join(filepath.Dir(out), "cache")
	}
	abs, err := filepath.Abs(given)
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	return abs, nil
}

func report(log *stage.Log, out, digest string, size int64, written bool) {
	verdict := "unchanged"
	if written {
		verdict = "written"
	}
	log.Say("%s %s, %d MB compressed, %s", out, verdict, size/1_000_000, digest)
}
