// scale measures the operator with many clusters, of which only the API objects are real: how long it takes from a change of
// a spec until instances have it, how much memory and CPU that needs, and how often it writes a status. `make bench-scale`
// runs it:
//
//	go run ./test/bench/scale
//	go run ./test/bench/scale --clusters 20 --pairs 1 --poison 0.1 --dirty
//
// A kube-apiserver and an etcd are started from .local/bin, and beside them the operator, as the program that goes into its
// image. Kubelets and instances are played by this program: pods get addresses in 127.0.0.0/8, and one listener answers for all
// of them, over mutual TLS, what instances answer at rest. Nothing is written to a Lease after the first time, no volume is
// bound and no node exists.
//
// Every run goes into bench/scale.json with commit and load of the machine, and a summary into docs/benchmarks.md, between two
// markers. A figure must belong to a commit: it refuses to measure when files are changed, unless --dirty is given; then it
// writes only to the files that are named by --json and --page.
//
//	main.go      the flags
//	measure.go   the order of it all: world, clusters, rest, runs
//	world.go     API server, etcd, and what the operator's installation consists of
//	operator.go  the operator's process; weigh.go what it needs
//	fleet.go     the clusters and their names, create.go their creation
//	kubelet.go   pods that run; lead.go the Lease that a leader writes
//	stub.go      the API of all instances, tell.go what they tell of themselves, counts.go what they were asked
//	changes.go   changes of specs that are under way; edit.go makes them
//	requests.go  what the API server has answered; watch.go and statuses.go what its watch tells of clusters
//	period.go    all that is seen for a while
//	plan.go      the runs in their order, with and without poison; poison.go what that can be
//	entries.go   who went into quarantine, by the watch and by the operator's own metric
//	outage.go    an API server that answers nobody for a while
//	judge.go     whether what is promised was kept: it ends with an error where it was not
//	record.go    what is kept; table.go what is shown of it; percentile.go, and the like
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options of a measurement.
type options struct {
	clusters, instances, perNamespace, workers int
	pairs                                      int
	rate, poison                               float64
	poisonBy                                   string
	during, rest, patience, freeze             time.Duration
	seed                                       uint64
	memoryLimit                                string
	bin, log                                   string
	dirty, show                                bool
	json, page                                 string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parse())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.IntVar(&o.clusters, "clusters", 2000, "how many clusters there are")
	flag.IntVar(&o.instances, "instances", 3, "how many instances each of them has")
	flag.IntVar(&o.perNamespace, "per-namespace", 20, "how many clusters share a namespace")
	flag.IntVar(&o.workers, "workers", 8, "clusters that the operator reconciles at the same time")
	flag.StringVar(&o.memoryLimit, "memory-limit", "", "GOMEMLIMIT of the operator; none: what config/operator/deployment.yaml gives it")
	flag.IntVar(&o.pairs, "pairs", 5, "how many pairs of runs: one without poison and one with it, where there is any")
	flag.DurationVar(&o.during, "during", 30*time.Second, "how long specs are changed in each run")
	flag.DurationVar(&o.rest, "rest", 20*time.Second, "how long everything is left alone before each run; before the first three times, of which the second is measured")
	flag.DurationVar(&o.patience, "patience", 15*time.Minute, "how long all clusters may take to become ready")
	flag.Float64Var(&o.rate, "rate", 10, "changes of specs per second, each of another cluster")
	flag.Float64Var(&o.poison, "poison", 0.01, "share of the clusters that fail in every other run, from 0 to 1; they are never changed")
	flag.StringVar(&o.poisonBy, "poison-by", "both", "how they fail: policy, panic, or both")
	flag.DurationVar(&o.freeze, "outage", 30*time.Second, "how long the API server answers nobody after the last run; 0 for not at all")
	flag.Uint64Var(&o.seed, "seed", 1, "which clusters are changed")
	flag.StringVar(&o.bin, "bin", ".local/bin", "where kube-apiserver and etcd are, and the operator in linux/")
	flag.StringVar(&o.log, "log", ".local/bench-scale.log", "where the operator's log goes")
	flag.BoolVar(&o.dirty, "dirty", false, "measure although files are changed, and write no file that is not named")
	flag.BoolVar(&o.show, "show", false, "measure nothing: print the table of what was measured last")
	flag.StringVar(&o.json, "json", "bench/scale.json", "where every run goes")
	flag.StringVar(&o.page, "page", "docs/benchmarks.md", "page that holds the summary")
	flag.Parse()
	named := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { named[f.Name] = true })
	if o.dirty && !o.show {
		o.json, o.page = onlyIf(named["json"], o.json), onlyIf(named["page"], o.page)
	}
	return o
}

func onlyIf(named bool, file string) string {
	if named {
		return file
	}
	return ""
}

// leastPoisoned: one for each way to fail.
const leastPoisoned = 2

// check what would fail after an hour.
func (o options) check() error {
	switch {
	case o.clusters < 1 || o.clusters > mostClusters:
		return fmt.Errorf("--clusters %d: between 1 and %d", o.clusters, mostClusters)
	case o.instances < 1 || o.instances > 9:
		return fmt.Errorf("--instances %d: between 1 and 9, as the CRD has it", o.instances)
	case o.perNamespace < 1:
		return fmt.Errorf("--per-namespace %d: at least 1", o.perNamespace)
	case o.pairs < 0 || o.during < time.Second || o.rest < 0:
		return errors.New("--pairs and --rest are not negative, and --during is a second at least")
	case o.rate <= 0 || o.rate > 1000:
		return fmt.Errorf("--rate %g: more than 0, and at most 1000 per second", o.rate)
	case o.poison < 0 || o.poison >= 1:
		return fmt.Errorf("--poison %g: from 0 to less than 1, since the others are measured", o.poison)
	case o.poison > 0 && int(float64(o.clusters)*o.poison) < leastPoisoned:
		return fmt.Errorf("--poison %g of %d clusters: less than %d would fail; poison more, or none with --poison 0", o.poison, o.clusters, leastPoisoned)
	case o.freeze < 0:
		return errors.New("--outage is not negative")
	}
	return nil
}

func run(ctx context.Context, o options) error {
	if !o.show {
		return measure(ctx, o)
	}
	record, err := read(o.json)
	if err == nil {
		fmt.Print(record.table())
	}
	return err
}
