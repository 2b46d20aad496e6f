package instance

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/naming"
)

// servers are the two listeners of an instance.
type servers []*http.Server

// serve starts them: the mutual-TLS API, and the probes in plain HTTP.
func (m *Manager) serve() (servers, error) {
	quiet := log.New(io.Discard, "", 0) // a port scan is no news, and its text is not ours to log
	secure := &http.Server{
		Handler: api.Handler(m), TLSConfig: m.certificates.ServerConfig(), ErrorLog: quiet,
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		// HTTP/2 is worth nothing between an operator and an instance, and costs memory.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	plain := &http.Server{
		Handler: api.Probes(m.live, m.ready, m.started), ErrorLog: quiet,
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	for port, server := range map[int]*http.Server{naming.PortAPI: secure, naming.PortProbes: plain} {
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			return nil, fmt.Errorf("listening: %w", err)
		}
		go func() {
			if server.TLSConfig != nil {
				_ = server.ServeTLS(listener, "", "") // ends when it is closed
				return
			}
			_ = server.Serve(listener)
		}()
	}
	return servers{secure, plain}, nil
}

func (s servers) close() {
	for _, server := range s {
		_ = server.Close() // the process ends anyway
	}
}
