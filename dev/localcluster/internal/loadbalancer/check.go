package loadbalancer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	// checkEvery is how often nodes are checked.
	checkEvery = time.Second
	// lostAfter is how many checks in a row a node misses until it gets no traffic any more, as with the
	// load balancers of the clouds: leaving it breaks every connection that is open, and one answer that
	// is late says no more than that the machine was busy.
	lostAfter = 3
	// answersWithin is how long a check waits.
	answersWithin = 500 * time.Millisecond
)

// endpoint is where a node answers health checks.
type endpoint struct {
	address string
	port    int
}

// checks are made in rounds. In each an endpoint is asked once, however many Services are led there: what
// is routed anew because a Service changed goes by what the round has found, and no node is asked, or
// counts as failing, more often than once a second.
type checks struct {
	probe func(context.Context, endpoint) bool
	// found in this round.
	found map[endpoint]bool
	// missed in a row, of those that missed the last one.
	missed map[endpoint]int
}

func newChecks(probe func(context.Context, endpoint) bool) *checks {
	return &checks{probe: probe, found: map[endpoint]bool{}, missed: map[endpoint]int{}}
}

// nextRound has every endpoint asked again.
func (c *checks) nextRound() { clear(c.found) }

// passes tells whether an endpoint has passed the check of this round.
func (c *checks) passes(ctx context.Context, e endpoint) bool {
	if passed, known := c.found[e]; known {
		return passed
	}
	passed := c.probe(ctx, e)
	c.found[e] = passed
	if passed {
		delete(c.missed, e)
	} else {
		c.missed[e]++
	}
	return passed
}

// lost tells whether an endpoint has missed so many checks in a row that its node counts as gone.
func (c *checks) lost(ctx context.Context, e endpoint) bool {
	return !c.passes(ctx, e) && c.missed[e] >= lostAfter
}

// checker makes a new connection each time: one kept open says nothing about a node that vanished.
var checker = http.Client{
	Timeout:   answersWithin,
	Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: 300 * time.Millisecond}).DialContext},
}

func healthy(ctx context.Context, e endpoint) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/healthz", e.address, e.port), nil)
	if err != nil {
		return false
	}
	response, err := checker.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}
