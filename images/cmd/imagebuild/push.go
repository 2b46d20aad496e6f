package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/timonier-io/timonier/images/image"
	"github.com/timonier-io/timonier/images/stage"
)

func runPush(ctx context.Context, args []string, out io.Writer) error {
	var to image.Destination
	flags := flag.NewFlagSet("imagebuild push", flag.ContinueOnError)
	flags.StringVar(&to.Registry, "registry", "", "HOST[:PORT][/PREFIX] to push to")
	flags.BoolVar(&to.Insecure, "insecure", false, "use plain HTTP")
	if err := parse(flags, args, 1); err != nil {
		return err
	}
	if to.Registry == "" {
		return fmt.Errorf("no registry: pass --registry HOST[:PORT][/PREFIX]")
	}
	log := stage.New("push", out, time.Now)
	for _, archive := range flags.Args() {
		err := log.Run(archive, func() error {
			ref, digest, err := image.Push(ctx, archive, to)
			if err != nil {
				return err
			}
			log.Say("%s@%s", ref, digest)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
