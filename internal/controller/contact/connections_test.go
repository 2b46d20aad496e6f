package contact

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// serving is an instance of the cluster shop that says its name, at the address that is returned.
func serving(t *testing.T, authority pki.Authority, name string) (address string) {
	t.Helper()
	leaf, err := authority.Issue(time.Now(), rand.Reader, pki.InstanceRequest("shop", []string{hostOf(name)}, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", pki.ServerConfig(func() (pki.Material, error) {
		return pki.Material{Leaf: leaf, Bundle: []*x509.Certificate{authority.Certificate}}, nil
	}, pki.RoleOperator))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(instanceapi.Status{Instance: name}); err != nil {
			t.Error(err)
		}
	})}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

func hostOf(name string) string { return naming.InstanceHost("shop", "n", name) }

func TestEachInstanceIsHeldToItsOwnNameAlthoughAllShareWhatTheyTrust(t *testing.T) {
	authority, err := pki.Generate(time.Now(), rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: "n", Cluster: "shop"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]string{"shop-1": serving(t, authority, "shop-1"), "shop-2": serving(t, authority, "shop-2")}
	connections := &Connections{}
	key := types.NamespacedName{Namespace: "n", Name: "shop"}
	dial, err := connections.Of(key, pki.State{Current: authority}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range addresses {
		for expected := range addresses {
			asks := instanceapi.NewClient(address, connections.clusters[key].expecting(hostOf(expected)))
			status, err := asks.Status(t.Context())
			asks.Close()
			if (err == nil) != (name == expected) {
				t.Errorf("%s is asked as %s: %+v (%v)", name, expected, status, err)
			}
		}
	}
	first := dial("shop-1", "10.0.0.1")
	if dial("shop-1", "10.0.0.1") != first || dial("shop-1", "10.0.0.2") == first {
		t.Error("a client is made for each question, or kept for an address that is another's")
	}
	connections.Forget(key)
	if len(connections.clusters) != 0 {
		t.Error("a cluster that is gone is remembered")
	}
}
