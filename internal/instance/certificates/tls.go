package certificates

import (
	"crypto/tls"
	"errors"
)

var errNotLoaded = errors.New("the instance's certificates are not loaded yet")

// ServerConfig serves with the peer certificate and admits clients whose certificate a peer authority signed. Each
// connection takes what is in use then, so that a rotation needs no restart.
func (s *Store) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			b := s.current.Load()
			if len(b.peer.Certificate) == 0 {
				return nil, errNotLoaded
			}
			return &tls.Config{
				MinVersion:   tls.VersionTLS13,
				Certificates: []tls.Certificate{b.peer},
				ClientAuth:   tls.RequireAndVerifyClientCert,
				ClientCAs:    b.peers,
				NextProtos:   []string{"http/1.1"},
				// A ticket would let a client come back whose authority is trusted no longer.
				SessionTicketsDisabled: true,
			}, nil
		},
	}
}

// ClientConfig speaks to another instance, whose certificate must carry this name.
func (s *Store) ClientConfig(serverName string) *tls.Config {
	b := s.current.Load()
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		ServerName:   serverName,
		RootCAs:      b.peers,
		Certificates: []tls.Certificate{b.peer},
	}
}
