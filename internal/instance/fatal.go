package instance

import (
	"cmp"
	"sync"
	"time"

	"github.com/timonier-io/timonier/internal/instance/logs"
)

// lastFatal is the last reason for which the server, or one of its processes, ended. Written by the log's goroutines.
type lastFatal struct {
	mu      sync.Mutex
	message string
	// gone: the leader said that WAL which this standby needs is gone, or that their histories differ.
	gone   string
	goneAt time.Time
	// receiver is what the walreceiver last ended with.
	receiver string
	// discontinued counts how often WAL came that does not continue what is here.
	discontinued int
}

// oftenDiscontinued is how often that is before it is called a refusal.
const oftenDiscontinued = 3

func (f *lastFatal) see(entry logs.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Whatever a client writes into the log must not look like the leader's refusal.
	own := entry.BackendType == "walreceiver" || entry.BackendType == "startup"
	if entry.BackendType == "startup" && discontinued(entry.Message) {
		f.discontinued++
	}
	if own && f.gone == "" && (unfollowable(entry.Message) || f.discontinued >= oftenDiscontinued) {
		f.gone, f.goneAt = entry.Message, time.Now()
	}
	if entry.Fatal() && entry.BackendType == "walreceiver" {
		f.receiver = entry.Message
	}
	if entry.Fatal() && (entry.BackendType == "" || entry.BackendType == "postmaster" || entry.BackendType == "startup") {
		f.message = entry.Message
	}
}

func (f *lastFatal) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.message, f.gone, f.receiver, f.discontinued = "", "", "", 0
}

// said tells whether the server gave a reason.
func (f *lastFatal) said() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.message != ""
}

func (f *lastFatal) last() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.message == "" {
		return "it said nothing"
	}
	return f.message
}

// received is what the walreceiver last ended with.
func (f *lastFatal) received() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return cmp.Or(f.receiver, "its walreceiver said nothing")
}

// followed forgets that the leader refused.
func (f *lastFatal) followed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone, f.discontinued = "", 0
}

// unfollowed is when the leader first could not be followed, and why; zero while nothing tells so.
func (f *lastFatal) unfollowed() (at time.Time, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone == "" {
		return time.Time{}, ""
	}
	return f.goneAt, f.gone
}
