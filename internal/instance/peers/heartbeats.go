package peers

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

const (
	// reconnectEvery is how often a connection that broke is tried again, and connectPatience how long one attempt may take.
	reconnectEvery  = 200 * time.Millisecond
	connectPatience = time.Second
	// silencePatience is when a connection that says nothing is given up for a new one: a pod that was made again has another address.
	silencePatience = 4 * time.Second
	// replacementPatience is how long a program may take to listen that takes the place of one which said so.
	replacementPatience = 2 * time.Second
	// longestBeat bounds one line, in bytes.
	longestBeat = 64 << 10
)

// Beat is the last heartbeat of a peer.
type Beat struct {
	instanceapi.Heartbeat
	// At is when it came.
	At time.Time
	// Broken: the connection ended since, and could not be made again.
	Broken bool
}

// Heartbeats listens to the other instances, over one connection to each. Safe for concurrent use.
type Heartbeats struct {
	options Options

	mu      sync.Mutex
	beats   map[string]Beat
	tongues map[string]context.CancelFunc
}

// NewHeartbeats listens to nobody yet. Options.Answered is called when a peer says something new, and when one falls silent.
func NewHeartbeats(options Options) *Heartbeats {
	return &Heartbeats{options: options, beats: map[string]Beat{}, tongues: map[string]context.CancelFunc{}}
}

// Listen to these from now on, and to nobody else, until the context ends.
func (h *Heartbeats) Listen(ctx context.Context, names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
		if h.tongues[name] != nil {
			continue
		}
		listening, stop := context.WithCancel(ctx)
		h.tongues[name] = stop
		go h.listen(listening, name)
	}
	for name, stop := range h.tongues {
		if !wanted[name] {
			stop()
			delete(h.tongues, name)
			delete(h.beats, name)
		}
	}
}

// Beat of a peer; false where it was never heard.
func (h *Heartbeats) Beat(name string) (Beat, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	beat, heard := h.beats[name]
	return beat, heard
}

// Beats of all peers that were ever heard.
func (h *Heartbeats) Beats() map[string]Beat {
	h.mu.Lock()
	defer h.mu.Unlock()
	beats := make(map[string]Beat, len(h.beats))
	for name, beat := range h.beats {
		beats[name] = beat
	}
	return beats
}

func (h *Heartbeats) listen(ctx context.Context, name string) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		heard := h.hear(ctx, name)
		if heard {
			attempt = 0
		}
		if attempt > 0 {
			h.broken(name)
		}
		// The first attempt after a connection ended is made at once: what can be made again was not broken.
		if pause := reconnectEvery - time.Since(began); attempt > 0 && pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// hear one connection to its end; false where there was nothing to hear.
func (h *Heartbeats) hear(ctx context.Context, name string) (heard bool) {
	dialer := &net.Dialer{Timeout: connectPatience}
	raw, err := (&tls.Dialer{NetDialer: dialer, Config: h.options.TLS(name)}).DialContext(ctx, "tcp", h.options.Address(name))
	if err != nil {
		return false
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		stop()
		_ = raw.Close() // it is of no use any more
	}()
	_ = raw.SetDeadline(time.Now().Add(silencePatience))
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", instanceapi.PathHeartbeats, name)
	if _, err := raw.Write([]byte(request)); err != nil {
		return false
	}
	response, err := http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, longestBeat)
	for lines.Scan() {
		_ = raw.SetDeadline(time.Now().Add(silencePatience))
		var beat instanceapi.Heartbeat
		if json.Unmarshal(lines.Bytes(), &beat) == nil && beat.Instance == name {
			heard = true
			h.note(name, beat)
		}
	}
	return heard
}

func (h *Heartbeats) note(name string, beat instanceapi.Heartbeat) {
	h.mu.Lock()
	before, known := h.beats[name]
	if h.tongues[name] != nil {
		h.beats[name] = Beat{Heartbeat: beat, At: h.options.Now()}
	}
	h.mu.Unlock()
	if !known || before.Broken || !before.Equal(beat) {
		h.options.Answered()
	}
}

func (h *Heartbeats) broken(name string) {
	h.mu.Lock()
	beat, known := h.beats[name]
	replaced := beat.Replacing && h.options.Now().Sub(beat.At) < replacementPatience
	changed := known && !beat.Broken && !replaced
	if changed {
		beat.Broken = true
		h.beats[name] = beat
	}
	h.mu.Unlock()
	if changed {
		h.options.Answered()
	}
}
