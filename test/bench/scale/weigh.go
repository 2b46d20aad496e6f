package main

import (
	"fmt"
	"os"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// weight of a process at a moment.
type weight struct {
	// rss is VmRSS in KiB; cpu what it has used since it started, in seconds.
	rss int
	cpu float64
	at  time.Time
}

func weigh(pid int) (weight, error) {
	var text [2]string
	for i, name := range []string{"status", "stat"} {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			return weight{}, fmt.Errorf("what the operator needs: %w", err)
		}
		text[i] = string(content)
	}
	seen := weight{at: time.Now()}
	var err error
	if seen.rss, err = figures.Kibibytes(text[0], "VmRSS:"); err != nil {
		return seen, err
	}
	seen.cpu, err = figures.CPUSeconds(text[1])
	return seen, err
}

// millicores used since an earlier moment, in the mean.
func (w weight) millicores(before weight) float64 {
	return (w.cpu - before.cpu) / w.at.Sub(before.at).Seconds() * 1000
}

// samples are what is looked at every second.
type samples struct {
	// peak of the resident memory, in KiB; busiest is the greatest number of questions to instances in a second.
	peak    int
	busiest int64
	err     error
}

// sample a process, and how many questions were asked, until the function is called.
func sample(pid int, asked func() int64) (end func() samples) {
	stop, done := make(chan struct{}), make(chan struct{})
	var seen samples
	former := asked()
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			now := asked()
			seen.busiest, former = max(seen.busiest, now-former), now
			found, err := weigh(pid)
			if err != nil {
				seen.err = err
				return
			}
			seen.peak = max(seen.peak, found.rss)
		}
	}()
	return func() samples {
		close(stop)
		<-done
		return seen
	}
}
