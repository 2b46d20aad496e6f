package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/postgres"
)

// stub is the API of all instances: one listener, at which each is known by the host name that the caller expects.
type stub struct {
	kube    client.Reader
	fleet   *fleet
	changes *changes
	telling telling
	counts  counts
	server  *http.Server
	ended   chan error
}

// newStub whose instances run this build of the instance manager.
func newStub(kube client.Reader, fleet *fleet, changes *changes, manager string) (*stub, error) {
	program, err := os.Open(manager)
	if err != nil {
		return nil, fmt.Errorf("the instance manager, which `make build` compiles: %w", err)
	}
	defer func() { _ = program.Close() }() // only read
	hash := sha256.New()
	if _, err := io.Copy(hash, program); err != nil {
		return nil, err
	}
	return &stub{kube: kube, fleet: fleet, changes: changes, ended: make(chan error, 1), telling: telling{
		hash: hex.EncodeToString(hash.Sum(nil)), since: time.Now().UTC().Truncate(time.Second),
		sensitive: postgres.DesiredStandbySensitive(majorVersion, nil),
	}}, nil
}

// serve at all addresses of 127.0.0.0/8, and at no other: the one listener hears more, and hangs up.
func (s *stub) serve(ctx context.Context) error {
	address := net.JoinHostPort("0.0.0.0", strconv.Itoa(naming.PortAPI))
	listening := net.ListenConfig{KeepAlive: -1}
	listener, err := listening.Listen(ctx, "tcp4", address)
	if err != nil {
		return fmt.Errorf("standing in for instances, for which nothing else may listen at this port, on any address: %w", err)
	}
	s.answer(listener)
	return nil
}

// answer whoever connects, until it is closed.
func (s *stub) answer(listener net.Listener) {
	s.server = &http.Server{
		Handler: s.handler(), ConnState: s.counts.connection, ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(failures{&s.counts}, "", 0),
	}
	encrypted := tls.NewListener(loopback{listener}, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: s.greet})
	go func() { s.ended <- s.server.Serve(encrypted) }()
}

func (s *stub) close() error {
	err := s.server.Close()
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// loopback takes connections to 127.0.0.0/8 alone.
type loopback struct{ net.Listener }

func (l loopback) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if address, ok := connection.LocalAddr().(*net.TCPAddr); ok && address.IP.IsLoopback() {
			return connection, nil
		}
		_ = connection.Close() // nobody is to be heard here
	}
}

// greet a caller with the certificate of the instance that it expects.
func (s *stub) greet(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c, _ := s.fleet.ofHost(hello.ServerName)
	if c == nil {
		return nil, fmt.Errorf("there is no instance %q", hello.ServerName)
	}
	s.counts.handshakes.Add(1)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.serving != nil {
		return c.serving, nil
	}
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: c.key.Namespace, Name: naming.Certificates(c.key.Name)}
	if err := s.kube.Get(hello.Context(), key, secret); err != nil {
		return nil, fmt.Errorf("certificates of %s: %w", c.key, err)
	}
	mounted, err := pki.ParseMounted(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("certificates of %s: %w", c.key, err)
	}
	serves := pki.ServerConfig(func() (pki.Material, error) {
		return pki.Material{Leaf: mounted.Peer, Bundle: mounted.PeerBundle}, nil
	}, pki.RoleOperator, pki.RoleInstance)
	if c.serving, err = serves.GetConfigForClient(hello); err != nil {
		return nil, err
	}
	c.report = reported(mounted)
	return c.serving, nil
}

// reported is what an instance tells of the certificates that it has loaded.
func reported(mounted pki.Mounted) instanceapi.CertificateReport {
	report := instanceapi.CertificateReport{Peer: mounted.Peer.Fingerprint(), Server: mounted.Server.Fingerprint(), Replication: mounted.Replication.Fingerprint()}
	for _, authority := range mounted.PeerBundle {
		report.PeerCAs = append(report.PeerCAs, pki.Fingerprint(authority))
	}
	for _, authority := range mounted.ClientBundle {
		report.ClientCAs = append(report.ClientCAs, pki.Fingerprint(authority))
	}
	return report
}

// handler of what the operator asks at rest, and of changes of the configuration. All else is refused as by an instance that is busy.
func (s *stub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+instanceapi.PathStatus, s.known(func(w http.ResponseWriter, _ *http.Request, c *cluster, ordinal int) {
		s.counts.asked(ordinal)
		reply(w, http.StatusOK, s.telling.status(c, ordinal, time.Now()))
	}))
	mux.HandleFunc("GET "+instanceapi.PathStatuses, s.known(func(w http.ResponseWriter, _ *http.Request, c *cluster, ordinal int) {
		s.counts.asked(ordinal)
		reply(w, http.StatusOK, s.telling.statuses(c, ordinal, time.Now()))
	}))
	mux.HandleFunc("GET "+instanceapi.PathConfiguration, s.known(func(w http.ResponseWriter, _ *http.Request, c *cluster, ordinal int) {
		s.counts.others.Add(1)
		if found := c.configuration(ordinal); found.Revision != "" {
			reply(w, http.StatusOK, found)
			return
		}
		reply(w, http.StatusNotFound, instanceapi.Error{Reason: "NoConfiguration", Message: "no configuration was sent to this instance yet"})
	}))
	mux.HandleFunc("PUT "+instanceapi.PathConfiguration, s.known(s.configure))
	mux.HandleFunc("PUT "+instanceapi.PathAccess, s.known(func(w http.ResponseWriter, _ *http.Request, c *cluster, ordinal int) {
		s.counts.accesses.Add(1)
		if ordinal != leader {
			reply(w, http.StatusConflict, instanceapi.Error{Reason: "NotLeader", Message: c.name(ordinal) + " does not lead"})
			return
		}
		reply(w, http.StatusOK, instanceapi.AccessReport{})
	}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.counts.others.Add(1)
		reply(w, http.StatusConflict, instanceapi.Error{Reason: "Busy", Message: "this instance is played, and does nothing"})
	})
	return mux
}

// answering for an instance.
type answering func(w http.ResponseWriter, r *http.Request, c *cluster, ordinal int)

// known lets answer for the instance that the caller expects.
func (s *stub) known(answer answering) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host := ""
		if r.TLS != nil {
			host = r.TLS.ServerName
		}
		c, ordinal := s.fleet.ofHost(host)
		if c == nil {
			reply(w, http.StatusNotFound, instanceapi.Error{Reason: "Failed", Message: "there is no instance " + host})
			return
		}
		answer(w, r, c, ordinal)
	}
}

// configure takes every configuration at once, as a reload does.
func (s *stub) configure(w http.ResponseWriter, r *http.Request, c *cluster, ordinal int) {
	var wanted instanceapi.Configuration
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		reply(w, http.StatusBadRequest, instanceapi.Error{Reason: "Failed", Message: err.Error()})
		return
	}
	at := time.Now()
	s.counts.configurations.Add(1)
	c.configured(ordinal, wanted)
	s.changes.received(c.key, ordinal, wanted.Parameters[parameter], at)
	reply(w, http.StatusOK, s.telling.status(c, ordinal, at))
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
