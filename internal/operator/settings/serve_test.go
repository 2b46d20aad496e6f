package settings

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// ask the handler.
func ask(t *testing.T, store *Store, method string) *httptest.ResponseRecorder {
	t.Helper()
	response := httptest.NewRecorder()
	store.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), method, "/anywhere", nil))
	return response
}

func TestWhatIsInForceIsServedInTheOrderOfTheTable(t *testing.T) {
	store := NewStore(Defaults())
	store.Reload(map[string]string{"max-retries": "20", "workers": "16", "typo": "x", "another": "y"})
	response := ask(t, store, http.MethodGet)
	if response.Code != http.StatusOK || response.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", response.Code, response.Header())
	}
	var served struct {
		Settings []map[string]any `json:"settings"`
	}
	if err := json.Unmarshal(response.Body.Bytes(), &served); err != nil {
		t.Fatal(err)
	}
	if len(served.Settings) != len(table)+2 {
		t.Fatalf("%d entries for %d settings and two keys that are none", len(served.Settings), len(table))
	}
	for i, d := range table {
		entry := served.Settings[i]
		if entry["name"] != d.name || entry["live"] != d.live {
			t.Errorf("entry %d is %v, want %s", i, entry, d.name)
		}
		switch d.name {
		case "max-retries":
			if entry["value"] != "20" || entry["source"] != "ConfigMap" || entry["notInForce"] != nil {
				t.Errorf("%v", entry)
			}
		case "workers":
			if entry["value"] != "8" || entry["source"] != "Default" || entry["notInForce"] != "NeedsRestart" || entry["why"] == nil {
				t.Errorf("%v", entry)
			}
		}
	}
	if first, second := served.Settings[len(table)], served.Settings[len(table)+1]; first["name"] != "another" || second["name"] != "typo" ||
		first["notInForce"] != "Unknown" {
		t.Errorf("the keys that are no settings are %v and %v", first, second)
	}
	if again := ask(t, store, http.MethodGet); again.Body.String() != response.Body.String() {
		t.Error("asked again, it is another text")
	}
}

func TestSettingsAreReadAndNeverWrittenOverHTTP(t *testing.T) {
	store := NewStore(Defaults())
	if response := ask(t, store, http.MethodHead); response.Code != http.StatusOK || response.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", response.Code, response.Body.Len())
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
		if response := ask(t, store, method); response.Code != http.StatusMethodNotAllowed || response.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, response.Code, response.Header().Get("Allow"))
		}
	}
}
