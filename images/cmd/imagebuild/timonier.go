package main

import (
	"context"
	"flag"
	"io"
	"strings"
	"time"

	"github.com/timonier-io/timonier/images/stage"
	"github.com/timonier-io/timonier/images/timonier"
)

func runTimonier(_ context.Context, args []string, out io.Writer) error {
	labels := pairs{}
	opts := timonier.Options{Labels: labels}
	var names string
	flags := flag.NewFlagSet("imagebuild timonier", flag.ContinueOnError)
	flags.StringVar(&opts.Binaries, "binaries", ".local/bin/linux", "folder with the static binaries")
	flags.StringVar(&names, "names", "timonier-operator,timonier-instance", "which of them, separated by commas; the first is the entry point")
	flags.StringVar(&opts.Out, "out", ".local/images/timonier.tar", "archive to write; its digest is written beside it, in OUT.digest")
	flags.StringVar(&opts.Tag, "tag", "timonier.local/timonier:dev", "name of the image in the archive")
	flags.Var(labels, "label", "NAME=VALUE to add to the labels; may be repeated")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	opts.Names = strings.Split(names, ",")
	opts.Log = stage.New("timonier", out, time.Now)
	result, err := timonier.Build(opts)
	if err != nil {
		return err
	}
	report(opts.Log, opts.Out, result.Digest.String(), result.Size, result.Written)
	return nil
}
