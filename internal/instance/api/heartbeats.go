package api

import (
	"encoding/json"
	"net/http"
	"time"
)

// sendPatience is how long a caller may not take what it is sent.
const sendPatience = 5 * time.Second

// heartbeats sends one after the other, a line of JSON each, for as long as the caller listens: at once where something changed, and again after a while where not.
func heartbeats(b Backend) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		connection := http.NewResponseController(w)
		w.Header().Set("Content-Type", "application/jsonl")
		encoder := json.NewEncoder(w)
		for {
			beat, again, changed := b.Heartbeat()
			_ = connection.SetWriteDeadline(time.Now().Add(sendPatience)) // over TCP it can always be set
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
			case <-time.After(again):
			}
		}
	}
}
