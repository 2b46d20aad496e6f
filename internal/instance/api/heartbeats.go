package api

import (
	"encoding/json"
	"net/http"
	"time"
)

// beatEvery is how often a heartbeat is sent although nothing changed.
const beatEvery = 500 * time.Millisecond

// heartbeats sends one after the other, a line of JSON each, for as long as the caller listens.
func heartbeats(b Backend) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		w.Header().Set("Content-Type", "application/jsonl")
		encoder := json.NewEncoder(w)
		ticks := time.NewTicker(beatEvery)
		defer ticks.Stop()
		for {
			beat, changed := b.Heartbeat()
			_ = connection.SetWriteDeadline(time.Now().Add(10 * beatEvery)) // over TCP it can always be set
			if err := encoder.Encode(beat); err != nil {
				return
			}
			if err := connection.Flush(); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-changed:
			case <-ticks.C:
			}
		}
	}
}
