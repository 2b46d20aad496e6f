// Package registry lets the nodes pull images from a registry that listens in plain HTTP on the host,
// at any port of its address on the bridge: one that a test started, for instance.
//
// containerd speaks plain HTTP only with registries named one by one, port included, in its
// configuration. It can however be told to ask one mirror for everything. This is that mirror: it
// passes on what is meant for the host, and says no to everything else, upon which containerd
// asks the registry that the image names.
package registry

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Serve passes on requests until it fails.
func Serve() error {
	address := fmt.Sprintf("%s:%d", layout.HostAddress, layout.RegistryPort)
	if err := http.ListenAndServe(address, Handler()); err != nil {
		return fmt.Errorf("serving as the nodes' mirror at %s: %w", address, err)
	}
	return nil
}

// Handler passes on one request. containerd names the registry it means in the parameter ns.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		registry := r.URL.Query().Get("ns")
		if !onHost(registry) {
			http.Error(w, "not a registry of this host", http.StatusNotFound)
			return
		}
		proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: registry})
			query := p.Out.URL.Query()
			query.Del("ns")
			p.Out.URL.RawQuery = query.Encode()
			p.Out.Host = registry
		}}
		log.Printf("passing on %s %s to %s", r.Method, r.URL.Path, registry)
		proxy.ServeHTTP(w, r)
	})
}

// onHost tells whether a registry is one on this host, under either of the names that an image may
// use for it.
func onHost(registry string) bool {
	host, _, err := net.SplitHostPort(registry)
	return err == nil && (host == layout.HostAddress || host == "localhost" || host == "127.0.0.1")
}
