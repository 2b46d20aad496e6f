package main

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// counts is what instances were asked since they run.
type counts struct {
	leaders, standbys, configurations, accesses, others atomic.Int64
	// handshakes that were begun, and connections that are open.
	handshakes, open atomic.Int64
	// failed is how often a connection failed, mostly its handshake.
	failed atomic.Int64

	mutex sync.Mutex
	// last failure, in words.
	last string
}

// Asked is what instances were asked for a while.
type Asked struct {
	// Leaders and Standbys are questions for a status.
	Leaders  int64 `json:"leaders"`
	Standbys int64 `json:"standbys"`
	// Configurations and Accesses that were sent, and all else.
	Configurations int64 `json:"configurations"`
	Accesses       int64 `json:"accesses"`
	Others         int64 `json:"others"`
	// Handshakes, of which each is another connection, and those that failed.
	Handshakes int64 `json:"handshakes"`
	Failed     int64 `json:"failed"`
	// Open connections at the end, and the most questions for a status in one second.
	Open          int64 `json:"open"`
	BusiestSecond int64 `json:"busiestSecond"`
}

// asked an instance for its status.
func (c *counts) asked(ordinal int) {
	if ordinal == leader {
		c.leaders.Add(1)
	} else {
		c.standbys.Add(1)
	}
}

// statuses that were asked for since the beginning.
func (c *counts) statuses() int64 { return c.leaders.Load() + c.standbys.Load() }

// now is what was counted until now.
func (c *counts) now() Asked {
	return Asked{
		Leaders: c.leaders.Load(), Standbys: c.standbys.Load(), Configurations: c.configurations.Load(), Accesses: c.accesses.Load(),
		Others: c.others.Load(), Handshakes: c.handshakes.Load(), Failed: c.failed.Load(), Open: c.open.Load(),
	}
}

// since an earlier moment; what is open is so now.
func (a Asked) since(before Asked) Asked {
	a.Leaders -= before.Leaders
	a.Standbys -= before.Standbys
	a.Configurations -= before.Configurations
	a.Accesses -= before.Accesses
	a.Others -= before.Others
	a.Handshakes -= before.Handshakes
	a.Failed -= before.Failed
	return a
}

// connection is called by the server when one begins or ends.
func (c *counts) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		c.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		c.open.Add(-1)
	default:
	}
}

// failures is where the server tells what went wrong with a connection.
type failures struct{ counts *counts }

func (f failures) Write(text []byte) (int, error) {
	f.counts.mutex.Lock()
	defer f.counts.mutex.Unlock()
	f.counts.failed.Add(1)
	f.counts.last = strings.TrimSpace(string(text))
	return len(text), nil
}

// lastFailure of a connection, "" for none.
func (c *counts) lastFailure() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.last
}
