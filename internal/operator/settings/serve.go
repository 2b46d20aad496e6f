package settings

import (
	"encoding/json"
	"net/http"
)

// Handler serves what is in force as JSON, at whatever path it is mounted. No setting is a secret.
func (s *Store) Handler() http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.Method != http.MethodGet && request.Method != http.MethodHead {
			response.Header().Set("Allow", "GET, HEAD")
			http.Error(response, "settings are read here; they are set by flags, the environment and the ConfigMap", http.StatusMethodNotAllowed)
			return
		}
		body, err := json.MarshalIndent(page{s.Effective().Sources}, "", "  ")
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		response.Header().Set("Content-Type", "application/json")
		response.Header().Set("Cache-Control", "no-store")
		if request.Method == http.MethodGet {
			_, _ = response.Write(append(body, '\n')) // a reader that went away needs nothing
		}
	})
}

// page is the document that is served.
type page struct {
	Settings []Setting `json:"settings"`
}
