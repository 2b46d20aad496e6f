package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// backend answers, and refuses with what it is given.
type backend struct{ err error }

func (b backend) Status() instanceapi.Status { return instanceapi.Status{Instance: "shop-1"} }
func (b backend) Statuses(context.Context) (instanceapi.Statuses, error) {
	return instanceapi.Statuses{Own: b.Status()}, b.err
}
func (b backend) InForce() (instanceapi.Configuration, bool) {
	return instanceapi.Configuration{Revision: "r"}, b.err == nil
}
func (b backend) Configure(context.Context, instanceapi.Configuration) (instanceapi.Status, error) {
	return b.Status(), b.err
}
func (b backend) Grant(context.Context, instanceapi.Access) (instanceapi.AccessReport, error) {
	return instanceapi.AccessReport{}, b.err
}
func (b backend) Restart(context.Context, instanceapi.RestartRequest) (instanceapi.Status, error) {
	return b.Status(), b.err
}
func (b backend) Replace(context.Context, io.Reader, string) (instanceapi.BinaryReply, func(), error) {
	return instanceapi.BinaryReply{Hash: "h"}, func() {}, b.err
}
func (b backend) Switchover(context.Context, instanceapi.SwitchoverRequest) (instanceapi.Status, error) {
	return b.Status(), b.err
}
func (b backend) Reinitialize(context.Context, instanceapi.ReinitializeRequest) (instanceapi.Status, error) {
	return b.Status(), b.err
}
func (b backend) ForcePromotion(context.Context, instanceapi.ForcePromotionRequest) (instanceapi.ForcePromotionReply, error) {
	return instanceapi.ForcePromotionReply{}, b.err
}
func (b backend) Heartbeat() (instanceapi.Heartbeat, time.Duration, <-chan struct{}) {
	return instanceapi.Heartbeat{Instance: "shop-1"}, time.Hour, nil
}
func (b backend) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
}

// ask sends a request as a caller whose verified certificate has these units.
func ask(b backend, method, path, body string, units ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.TLS = &tls.ConnectionState{}
	if units != nil {
		request.TLS.VerifiedChains = [][]*x509.Certificate{{{Subject: pkix.Name{OrganizationalUnit: units}}}}
	}
	recorder := httptest.NewRecorder()
	Handler(b).ServeHTTP(recorder, request)
	return recorder
}

func TestWhoMayAskWhat(t *testing.T) {
	for _, c := range []struct {
		method, path string
		allowed      string
		code         int
	}{
		{"GET", "/v1/status", "operator instance", 200},
		{"GET", "/v1/configuration", "operator", 200},
		{"PUT", "/v1/configuration", "operator", 200},
		{"PUT", "/v1/access", "operator", 200},
		{"POST", "/v1/restart", "operator", 202},
		{"PUT", "/v1/binary", "operator", 200},
		{"GET", "/metrics", "operator monitor", 200},
	} {
		for _, role := range []string{"operator", "instance", "monitor", "replication", "server", ""} {
			want := http.StatusForbidden
			if role != "" && strings.Contains(c.allowed, role) {
				want = c.code
			}
			if got := ask(backend{}, c.method, c.path, "{}", role).Code; got != want {
				t.Errorf("%s %s as %q: %d, want %d", c.method, c.path, role, got, want)
			}
		}
		if got := ask(backend{}, c.method, c.path, "{}").Code; got != http.StatusForbidden {
			t.Errorf("%s %s without a verified certificate: %d", c.method, c.path, got)
		}
	}
}

func TestRefusalsHaveTheirCodeAndReason(t *testing.T) {
	for want, err := range map[string]error{
		"409 NotLeader": NotLeader("shop-2"), "409 Busy": Busy("later"), "422 Rejected": Rejected("work_mem"), "500 Failed": errors.New("disk"),
	} {
		recorder := ask(backend{err}, "PUT", "/v1/access", "{}", "operator")
		var answer instanceapi.Error
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if got := http.StatusText(recorder.Code); !strings.HasPrefix(want, strings.TrimSpace(recorder.Result().Status[:3])) || !strings.HasSuffix(want, answer.Reason) || answer.Message == "" {
			t.Errorf("%v became %d %s %+v, want %s", err, recorder.Code, got, answer, want)
		}
	}
	if got := ask(backend{}, "PUT", "/v1/configuration", "no JSON", "operator").Code; got != http.StatusBadRequest {
		t.Errorf("nonsense: %d", got)
	}
	if got := ask(backend{errors.New("none")}, "GET", "/v1/configuration", "", "operator").Code; got != http.StatusNotFound {
		t.Errorf("no configuration: %d", got)
	}
}

func TestProbesServeNothingElse(t *testing.T) {
	yes := func() (bool, string) { return true, "ok" }
	no := func() (bool, string) { return false, "Waiting: for a reason" }
	handler := Probes(yes, no, yes)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/startupz": 200, "/v1/status": 404, "/metrics": 404, "/": 404} {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		if recorder.Code != want {
			t.Errorf("%s: %d, want %d", path, recorder.Code, want)
		}
	}
}
