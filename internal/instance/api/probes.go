package api

import "net/http"

// Probe is one question of the kubelet; the text says why not, or what is going on.
type Probe func() (ok bool, text string)

// Probes serves /livez, /readyz and /startupz, and nothing else.
func Probes(live, ready, started Probe) http.Handler {
	mux := http.NewServeMux()
	for path, probe := range map[string]Probe{"/livez": live, "/readyz": ready, "/startupz": started} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			ok, text := probe()
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write([]byte(text + "\n")) // the kubelet's own patience ended
		})
	}
	return mux
}
