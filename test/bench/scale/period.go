package main

import (
	"context"
	"fmt"
	"time"
)

// Period is what was seen for a while, of the operator and of those that it speaks to.
type Period struct {
	Seconds float64 `json:"seconds"`
	// RSSPeak and RSSEnd are the operator's resident memory, VmRSS in KiB, looked at every second. CPU is its user and system
	// time, in thousandths of a core.
	RSSPeak int     `json:"rssPeak"`
	RSSEnd  int     `json:"rssEnd"`
	CPU     float64 `json:"cpu"`
	// StatusRequests are writes of clusters' statuses that the API server did, whether or not they changed anything, and
	// StatusRefused those that it refused; States and Lives are the versions that these writes made: with anything changed, and
	// with nothing but positions.
	StatusRequests float64 `json:"statusRequests"`
	StatusRefused  float64 `json:"statusRefused"`
	States         int     `json:"states"`
	Lives          int     `json:"lives"`
	// Counters are versions with nothing but counts of failures, and perhaps positions.
	Counters int `json:"counters"`
	// Asked is what instances were asked.
	Asked Asked `json:"asked"`
	// Requests that the API server answered, to whomever: the operator, and this program in the place of kubelets and of people.
	Requests map[string]float64 `json:"requests"`
}

// String is what is told while it is measured.
func (p Period) String() string {
	return fmt.Sprintf("%.0f s: %.1f MiB at most, %.0f m CPU, %.0f statuses written (%d with a change of state), %d leaders and %d standbys asked, %d connections open",
		p.Seconds, mebibytes(p.RSSPeak), p.CPU, p.StatusRequests, p.States, p.Asked.Leaders, p.Asked.Standbys, p.Asked.Open)
}

// moment is what was counted until then.
type moment struct {
	weight   weight
	requests requests
	asked    Asked
}

func (b *bench) moment(ctx context.Context) (moment, error) {
	answered, err := b.world.requests(ctx)
	if err != nil {
		return moment{}, err
	}
	held, err := weigh(b.operator.command.Process.Pid)
	return moment{held, answered, b.stub.counts.now()}, err
}

// seenDuring is what was seen while something was done, and the writes of statuses by cluster.
func (b *bench) seenDuring(ctx context.Context, do func(context.Context) error) (Period, written, error) {
	before, err := b.moment(ctx)
	if err != nil {
		return Period{}, written{}, err
	}
	b.statuses.take() // what was before does not count
	end := sample(b.operator.command.Process.Pid, b.stub.counts.statuses)
	err = do(ctx)
	sampled, states := end(), b.statuses.take()
	if err == nil {
		err = sampled.err
	}
	if err != nil {
		return Period{}, written{}, err
	}
	after, err := b.moment(ctx)
	if err != nil {
		return Period{}, written{}, err
	}
	seen := after.since(before)
	seen.RSSPeak, seen.Asked.BusiestSecond = max(sampled.peak, seen.RSSEnd, before.weight.rss), sampled.busiest
	seen.States, seen.Lives, seen.Counters = states.total(), states.live, states.counters
	return seen, states, nil
}

// since an earlier moment.
func (m moment) since(before moment) Period {
	made := m.requests.since(before.requests)
	seen := Period{
		Seconds: m.weight.at.Sub(before.weight.at).Round(time.Millisecond).Seconds(),
		RSSEnd:  m.weight.rss, CPU: tenth(m.weight.millicores(before.weight)), Asked: m.asked.since(before.asked), Requests: made.named(),
	}
	seen.StatusRequests, seen.StatusRefused = made.statusWrites()
	return seen
}
