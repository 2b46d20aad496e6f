// Package api serves what an instance answers over the network: the documents of
// package instanceapi over mutual TLS, each to callers whose certificate has a role
// that may ask for it (api.go), and the probes of the kubelet in plain HTTP (probes.go). It holds
// no state and decides nothing: the Backend does.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// Backend answers; package instance has it.
type Backend interface {
	Status() instanceapi.Status
	// Statuses of all instances of the cluster that answer.
	Statuses(ctx context.Context) (instanceapi.Statuses, error)
	// InForce is false where no configuration is known yet.
	InForce() (instanceapi.Configuration, bool)
	Configure(ctx context.Context, configuration instanceapi.Configuration) (instanceapi.Status, error)
	Grant(ctx context.Context, access instanceapi.Access) (instanceapi.AccessReport, error)
	Restart(ctx context.Context, request instanceapi.RestartRequest) (instanceapi.Status, error)
	Switchover(ctx context.Context, request instanceapi.SwitchoverRequest) (instanceapi.Status, error)
	Reinitialize(ctx context.Context, request instanceapi.ReinitializeRequest) (instanceapi.Status, error)
	ForcePromotion(ctx context.Context, request instanceapi.ForcePromotionRequest) (instanceapi.ForcePromotionReply, error)
	// Replace takes the program in; the second result replaces the running one, once the answer is out.
	Replace(ctx context.Context, program io.Reader, hash string) (instanceapi.BinaryReply, func(), error)
	// Heartbeat is what is told to the other instances now, after how long again, and a channel that is closed once that has changed.
	Heartbeat() (beat instanceapi.Heartbeat, again time.Duration, changed <-chan struct{})
	Metrics() http.Handler
}

// RefusalError is an error with an answer of its own.
type RefusalError struct {
	Code    int
	Reason  string
	Message string
}

func (r *RefusalError) Error() string { return r.Reason + ": " + r.Message }

// NotLeader refuses what only the leader can do.
func NotLeader(instance string) error {
	return &RefusalError{http.StatusConflict, "NotLeader", instance + " does not lead; ask the instance that does"}
}

// Busy refuses what cannot be done in the present state.
func Busy(message string) error { return &RefusalError{http.StatusConflict, ReasonBusy, message} }

// ReasonBusy tells that what is asked for can be done soon.
const ReasonBusy = "Busy"

// Rejected refuses content.
func Rejected(message string) error {
	return &RefusalError{http.StatusUnprocessableEntity, "Rejected", message}
}

const (
	largestDocument = 8 << 20
	largestProgram  = 256 << 20
)

// Handler serves the mutual-TLS API.
func Handler(b Backend) http.Handler {
	mux := http.NewServeMux()
	operator := []string{naming.CertificateRoleOperator}
	mux.Handle("GET "+instanceapi.PathStatus, allow([]string{naming.CertificateRoleOperator, naming.CertificateRoleInstance},
		func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, b.Status()) }))
	mux.Handle("GET "+instanceapi.PathStatuses, allow(operator, func(w http.ResponseWriter, r *http.Request) {
		statuses, err := b.Statuses(r.Context())
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, http.StatusOK, statuses)
	}))
	mux.Handle("GET "+instanceapi.PathConfiguration, allow(operator, func(w http.ResponseWriter, _ *http.Request) {
		configuration, known := b.InForce()
		if !known {
			refuse(w, &RefusalError{http.StatusNotFound, "NoConfiguration", "no configuration was sent to this instance yet"})
			return
		}
		reply(w, http.StatusOK, configuration)
	}))
	mux.Handle("PUT "+instanceapi.PathConfiguration, allow(operator, exchange(http.StatusOK, b.Configure)))
	mux.Handle("PUT "+instanceapi.PathAccess, allow(operator, exchange(http.StatusOK, b.Grant)))
	mux.Handle("POST "+instanceapi.PathRestart, allow(operator, exchange(http.StatusAccepted, b.Restart)))
	mux.Handle("POST "+instanceapi.PathSwitchover, allow(operator, exchange(http.StatusAccepted, b.Switchover)))
	mux.Handle("POST "+instanceapi.PathReinitialize, allow(operator, exchange(http.StatusAccepted, b.Reinitialize)))
	mux.Handle("POST "+instanceapi.PathForce, allow(operator, exchange(http.StatusAccepted, b.ForcePromotion)))
	mux.Handle("PUT "+instanceapi.PathBinary, allow(operator, replace(b)))
	mux.Handle("GET "+instanceapi.PathHeartbeats, allow([]string{naming.CertificateRoleInstance}, heartbeats(b)))
	mux.Handle("GET "+instanceapi.PathMetrics, allow([]string{naming.CertificateRoleOperator, naming.CertificateRoleMonitor}, b.Metrics().ServeHTTP))
	return mux
}

// allow admits callers whose certificate has one of the roles in its organizational unit; the TLS layer has verified the certificate.
func allow(roles []string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			refuse(w, &RefusalError{http.StatusForbidden, "Forbidden", "a client certificate of this cluster is needed"})
			return
		}
		for _, role := range r.TLS.VerifiedChains[0][0].Subject.OrganizationalUnit {
			if slices.Contains(roles, role) {
				next(w, r)
				return
			}
		}
		refuse(w, &RefusalError{http.StatusForbidden, "Forbidden", fmt.Sprintf("%s %s is for certificates of the role %v", r.Method, r.URL.Path, roles)})
	})
}

// exchange decodes a request, lets do answer it and encodes the answer.
func exchange[Request, Answer any](code int, do func(context.Context, Request) (Answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var request Request
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, largestDocument))
		if err := decoder.Decode(&request); err != nil {
			refuse(w, &RefusalError{http.StatusBadRequest, "Failed", "the request is not what this path takes: " + err.Error()})
			return
		}
		answer, err := do(r.Context(), request)
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, code, answer)
	}
}

func replace(b Backend) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, then, err := b.Replace(r.Context(), http.MaxBytesReader(w, r.Body, largestProgram), r.Header.Get(instanceapi.HeaderSHA256))
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Connection", "close")
		reply(w, http.StatusOK, answer)
		go then()
	}
}

func refuse(w http.ResponseWriter, err error) {
	refusal := &RefusalError{Code: http.StatusInternalServerError, Reason: "Failed", Message: err.Error()}
	errors.As(err, &refusal)
	reply(w, refusal.Code, instanceapi.Error{Reason: refusal.Reason, Message: refusal.Message})
}

func reply(w http.ResponseWriter, code int, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(body, '\n')) // a caller that is gone needs no answer
}
