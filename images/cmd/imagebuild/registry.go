package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// runRegistry serves a registry in memory over plain HTTP until it is told to stop, so that
// tests can have nodes pull what was pushed. It forgets everything when it ends.
func runRegistry(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("imagebuild registry", flag.ContinueOnError)
	address := flags.String("listen", "127.0.0.1:5000", "address to serve on; port 0 takes a free one")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *address)
	if err != nil {
		return fmt.Errorf("serving a registry on %s: %w: pass another --listen", *address, err)
	}
	_, _ = fmt.Fprintf(out, "[registry] serving on %s, in memory, without TLS\n", listener.Addr())

	server := &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving a registry on %s: %w", listener.Addr(), err)
	}
	return nil
}
