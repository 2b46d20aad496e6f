// ha measures on the local cluster how long writes are away when something breaks: the longest time between two
// acknowledged writes through the read-write Service, with a row every 20 ms. `make bench-ha` runs it:
//
//	go run ./test/bench/ha --runs 10 --fault sigkill-pid1
//	go run ./test/bench/ha --load busy
//
// Nobody else writes, as where others were measured; --load busy has about 300 other commits a second beside, by eight more clients.
//
// Every run is appended to bench/ha.json as it ends, with commit and load of the machine; a summary goes into
// docs/benchmarks.md. It can be interrupted: runs of the same commit and fault are counted, and only those that are
// missing are made. A figure must belong to a commit: it refuses to measure when files are changed, unless --dirty is given.
//
// main.go has the flags, measure.go the runs, record.go what is kept of them, table.go what is shown of them, beside
// what others need.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options of a measurement.
type options struct {
	fault      string
	load       string
	runs       int
	dirty      bool
	show       bool
	json, page string
}

func main() {
	var o options
	flag.StringVar(&o.fault, "fault", "", "the one fault that is measured; none: all of the table")
	flag.StringVar(&o.load, "load", writerLoad, "who writes: "+writerLoad+" or "+busyLoad)
	flag.IntVar(&o.runs, "runs", 10, "how many runs of each fault there are to be in the end")
	flag.BoolVar(&o.dirty, "dirty", false, "measure although files are changed")
	flag.BoolVar(&o.show, "show", false, "measure nothing: print the table of what was measured")
	flag.StringVar(&o.json, "json", "bench/ha.json", "where every run goes")
	flag.StringVar(&o.page, "page", "docs/benchmarks.md", "page that holds the summary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
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
