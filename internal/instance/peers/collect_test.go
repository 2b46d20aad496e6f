package peers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestWhatIsCollectedIsFromThoseThatAnswerInTimeByTheirOwnName(t *testing.T) {
	over := make(chan struct{})
	peer := func(handle http.HandlerFunc) *httptest.Server {
		server := httptest.NewTLSServer(handle)
		t.Cleanup(server.Close)
		return server
	}
	says := func(name string) *httptest.Server {
		return peer(func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(instanceapi.Status{Instance: name}); err != nil {
				t.Error(err)
			}
		})
	}
	gone := says("shop-4")
	gone.Close()
	servers := map[string]*httptest.Server{
		"shop-2": says("shop-2"), "shop-3": says("shop-9"), "shop-4": gone, "shop-6": says("shop-6"),
		"shop-5": peer(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}),
	}
	t.Cleanup(func() { close(over) }) // before the servers are closed, which wait for it
	answered := 0
	poller := New(Options{
		Address: func(name string) string { return servers[name].Listener.Addr().String() },
		TLS: func(name string) *tls.Config {
			authorities := x509.NewCertPool()
			authorities.AddCert(servers[name].Certificate())
			return &tls.Config{RootCAs: authorities, ServerName: "example.com", MinVersion: tls.VersionTLS13}
		},
		Answered: func() { answered++ },
		Now:      time.Now,
	})
	begin := time.Now()
	var names []string
	for _, status := range poller.Collect(t.Context(), []string{"shop-2", "shop-3", "shop-4", "shop-5", "shop-6"}) {
		names = append(names, status.Instance)
	}
	if diff := cmp.Diff([]string{"shop-2", "shop-6"}, names); diff != "" {
		t.Error(diff)
	}
	if took := time.Since(begin); took > 3*collectWithin {
		t.Errorf("it took %s, although one alone hangs", took)
	}
	if kept := poller.Answers(time.Hour); len(kept) != 0 || answered != 0 {
		t.Errorf("what was asked for somebody else decides something here: %v", kept)
	}
}
