// create measures on the local cluster how long a cluster of three takes from its
// creation until it serves, volumes provisioned on the way, and how much memory
// operator and instance managers hold at rest. `make bench-create` runs it:
//
//	go run ./test/bench/create --runs 5 --clusters 10 --idle 10m
//
// Every run goes into bench/create.json with commit and load of the machine, and a
// summary into docs/benchmarks.md, between two markers. A figure must belong to a
// commit: it refuses to write when files are changed, unless --dirty is given.
//
// main.go has the flags, creation.go and rest.go what is measured, cluster.go what
// is done to Kubernetes, package figures where it was measured, report.go what is written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// options of a measurement.
type options struct {
	runs, clusters int
	idle           time.Duration
	dirty          bool
	kubeconfig     string
	json, page     string
}

func main() {
	var o options
	flag.IntVar(&o.runs, "runs", 5, "how often a cluster is created")
	flag.IntVar(&o.clusters, "clusters", 10, "clusters that are measured at rest; 0 leaves that out")
	flag.DurationVar(&o.idle, "idle", 10*time.Minute, "how long they are left alone before")
	flag.BoolVar(&o.dirty, "dirty", false, "write figures although files are changed")
	flag.StringVar(&o.kubeconfig, "kubeconfig", ".local/kubeconfig", "where the cluster is")
	flag.StringVar(&o.json, "json", "bench/create.json", "where every run goes")
	flag.StringVar(&o.page, "page", "docs/benchmarks.md", "page that holds the summary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) error {
	where, err := figures.Describe(ctx)
	if err != nil {
		return err
	}
	if where.Dirty && !o.dirty {
		return errors.New("files are changed, so that the figures would belong to no commit: commit them, or pass --dirty")
	}
	if o.runs < 1 {
		return fmt.Errorf("--runs %d: a cluster has to be created at least once", o.runs)
	}
	bench, err := open(ctx, o.kubeconfig)
	if err != nil {
		return err
	}
	defer bench.close()
	result := Result{Where: where}
	if result.Creation, err = bench.measureCreation(ctx, o.runs); err != nil {
		return err
	}
	if o.clusters > 0 {
		if result.Rest, err = bench.measureRest(ctx, o.clusters, o.idle); err != nil {
			return err
		}
	}
	if result.LoadAfter, err = figures.Load(); err != nil {
		return err
	}
	return result.write(o.json, o.page)
}
