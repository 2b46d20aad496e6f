package contact

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
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
	expecting, err := connections.configurations(key, pki.State{Current: authority}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range addresses {
		for expected := range addresses {
			asks := instanceapi.NewClient(address, expecting(expected))
			status, err := asks.Status(t.Context())
			HangUp(map[string]Instance{name: {Client: asks}, "shop-3": {}})
			if (err == nil) != (name == expected) {
				t.Errorf("%s is asked as %s: %+v (%v)", name, expected, status, err)
			}
		}
	}
}

func TestTheOperatorsCertificateIsMadeAnewForAnotherAuthorityAndHalfwayThroughItsLife(t *testing.T) {
	start := time.Now().Truncate(time.Second) // as certificates have it
	generate := func() pki.Authority {
		authority, err := pki.Generate(start, rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: "n", Cluster: "shop"}, 100*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return authority
	}
	first, second := generate(), generate()
	connections := &Connections{}
	key := types.NamespacedName{Namespace: "n", Name: "shop"}
	shownTo := func(authority pki.Authority, after time.Duration) string {
		leaf, err := connections.leaf(key, authority, start.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if err := leaf.Certificate.CheckSignatureFrom(authority.Certificate); err != nil {
			t.Errorf("after %s: %v", after, err)
		}
		return leaf.Fingerprint()
	}
	made := shownTo(first, 0)
	if shownTo(first, 12*time.Hour) != made {
		t.Error("it is made for each look")
	}
	renewed := shownTo(first, 12*time.Hour+time.Second)
	if renewed == made {
		t.Error("it is shown until it expires")
	}
	if shownTo(second, 12*time.Hour+time.Second) == renewed {
		t.Error("another authority signed it")
	}
	connections.Forget(key)
	if len(connections.shown) != 0 {
		t.Error("a cluster that is gone is remembered")
	}
}

func TestWithoutAnAuthorityThatSignsNobodyIsAsked(t *testing.T) {
	if dial, err := (&Connections{}).Of(types.NamespacedName{}, pki.State{}, time.Now()); dial != nil || !errors.Is(err, errNoAuthority) {
		t.Errorf("%v", err)
	}
}
