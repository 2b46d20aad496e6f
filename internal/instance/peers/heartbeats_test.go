package peers

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// aPeerGoes tells one heartbeat and is gone. What comes back asks what is known of it once it was tried again several times, and the clock
// shows so much later than when it was heard.
func aPeerGoes(t *testing.T, last instanceapi.Heartbeat) (after func(later time.Duration) Beat) {
	t.Helper()
	peer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(last); err != nil {
			t.Error(err)
		}
	}))
	authorities := x509.NewCertPool()
	authorities.AddCert(peer.Certificate())
	trusting := &tls.Config{RootCAs: authorities, ServerName: "example.com", MinVersion: tls.VersionTLS13}
	var tries, elapsed atomic.Int64
	began := time.Now()
	told := make(chan struct{}, 1000)
	h := NewHeartbeats(Options{
		Address: func(string) string {
			if tries.Add(1) == 2 {
				go peer.Close() // it waits for the connection to end, which the listener does
			}
			return peer.Listener.Addr().String()
		},
		TLS: func(string) *tls.Config {
			return trusting.Clone()
		},
		Answered: func() { told <- struct{}{} },
		Now:      func() time.Time { return began.Add(time.Duration(elapsed.Load())) },
	})
	h.Listen(t.Context(), []string{last.Instance})
	<-told
	return func(later time.Duration) Beat {
		elapsed.Store(int64(later))
		for target := tries.Load() + 4; tries.Load() < target; {
			time.Sleep(time.Millisecond) // the pace of looking
		}
		beat, _ := h.Beat(last.Instance)
		return beat
	}
}

func TestAPeerWhoseConnectionCannotBeMadeAgainIsBroken(t *testing.T) {
	if beat := aPeerGoes(t, instanceapi.Heartbeat{Instance: "shop-1"})(0); !beat.Broken {
		t.Errorf("it is taken for one that is there: %+v", beat)
	}
}

func TestAPeerWhoseProgramIsReplacedIsMissedLater(t *testing.T) {
	after := aPeerGoes(t, instanceapi.Heartbeat{Instance: "shop-1", Replacing: true})
	if beat := after(replacementPatience - time.Millisecond); beat.Broken {
		t.Errorf("it is missed while its next program starts: %+v", beat)
	}
	if beat := after(replacementPatience); !beat.Broken {
		t.Errorf("it is not missed although no program came after it: %+v", beat)
	}
}
