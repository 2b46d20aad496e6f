package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Outage is what became of all clusters while the API server answered nobody, and afterwards.
type Outage struct {
	// Seconds that it was frozen.
	Seconds float64 `json:"seconds"`
	// Restarted tells whether the operator gave up its leadership meanwhile and was started again, as a kubelet does.
	Restarted bool `json:"restarted"`
	// Quarantined are entries into quarantine, by the watch, from its beginning until all clusters were looked at again; Ready are the
	// clusters that say at the end that their spec is reached, and Clusters how many there are. Open are changes made afterwards that did not arrive.
	Quarantined int `json:"quarantined"`
	Ready       int `json:"ready"`
	Clusters    int `json:"clusters"`
	Changes     int `json:"changes"`
	Open        int `json:"open"`
}

// judge by the promise that an outage is nobody's fault, and that the operator goes on.
func (o Outage) judge() Verdict {
	return Verdict{"an outage of the API quarantines nobody, and the operator goes on",
		o.Seconds > 0 && o.Quarantined == 0 && o.Clusters > 0 && o.Ready == o.Clusters && o.Changes > 0 && o.Open == 0,
		fmt.Sprintf("%.0f s: %d quarantined, %d of %d ready, %d changes after it of which %d did not arrive", o.Seconds, o.Quarantined, o.Ready, o.Clusters, o.Changes, o.Open)}
}

// outage freezes the API server for a while, has all clusters looked at again, and changes some of them.
func (b *bench) outage(ctx context.Context, fail context.CancelCauseFunc) (*Outage, error) {
	pid, err := child("kube-apiserver")
	if err != nil {
		return nil, err
	}
	b.statuses.takeEntries()
	fmt.Printf("freezing the API server for %s\n", b.freeze)
	b.operator.mayEnd.Store(true)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("freezing the API server: %w", err)
	}
	waited := pause(ctx, b.freeze)
	if err := errors.Join(waited, syscall.Kill(pid, syscall.SIGCONT)); err != nil {
		return nil, fmt.Errorf("thawing the API server: %w", err)
	}
	seen := &Outage{Seconds: b.freeze.Seconds(), Clusters: len(b.fleet.clusters)}
	if seen.Restarted, err = b.restartedWhereEnded(ctx, fail); err != nil {
		return nil, err
	}
	// Longer than what passes between two looks at a cluster, and than it takes until what fails would be quarantined.
	if err := pause(ctx, lookedAtAgain); err != nil {
		return nil, err
	}
	b.changes.take(time.Now())
	if err := b.change(ctx, b.fleet.clusters); err != nil {
		return nil, err
	}
	made := b.changes.take(time.Now())
	for _, count := range made.made {
		seen.Changes += count
	}
	seen.Open = len(made.open)
	for _, count := range b.statuses.takeEntries() {
		seen.Quarantined += count
	}
	seen.Ready = b.statuses.count()
	return seen, nil
}

// lookedAtAgain is by when each cluster was looked at at least once.
const lookedAtAgain = 45 * time.Second

// restartedWhereEnded starts the operator again, where it ended since it could not renew its leadership.
func (b *bench) restartedWhereEnded(ctx context.Context, fail context.CancelCauseFunc) (bool, error) {
	// It has given up by now, or renews again.
	if err := pause(ctx, settled); err != nil {
		return false, err
	}
	select {
	case <-b.operator.ended:
	default:
		b.operator.mayEnd.Store(false)
		return false, nil
	}
	if err := b.operator.log.Close(); err != nil {
		return true, err
	}
	again, err := b.startOperator(fail)
	if err != nil {
		return true, err
	}
	b.operator = again
	return true, b.awaitOperator(ctx)
}

// child process of this program that was called by this name.
func child(name string) (int, error) {
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, err
	}
	for _, directory := range directories {
		content, err := os.ReadFile(filepath.Join(directory, "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		if parentOf(string(content)) != os.Getpid() {
			continue
		}
		// Not by its file: one program may be several, by the name that it is called by.
		called, err := os.ReadFile(filepath.Join(directory, "cmdline"))
		if first, _, _ := strings.Cut(string(called), "\x00"); err == nil && filepath.Base(first) == name {
			return strconv.Atoi(filepath.Base(directory))
		}
	}
	return 0, fmt.Errorf("%s is no child of this process", name)
}

// parentOf a process, from /proc/…/stat: the second field after the name, which ends with the last bracket. 0 where it cannot be read.
func parentOf(stat string) int {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}
