package main

import (
	"net"
	"testing"

	"github.com/timonier-io/timonier/internal/naming"
)

func TestEachInstanceHasAnAddressOfItsOwn(t *testing.T) {
	f := newFleet(3000, 9, 20)
	owners := map[string]string{}
	for _, c := range f.clusters {
		for ordinal := 1; ordinal <= c.instances; ordinal++ {
			address := c.address(ordinal)
			if ip := net.ParseIP(address); ip == nil || !ip.IsLoopback() {
				t.Fatalf("%s of %s is no address of this machine alone", address, c.name(ordinal))
			}
			if other, taken := owners[address]; taken {
				t.Fatalf("%s is the address of %s and of %s", address, other, c.name(ordinal))
			}
			owners[address] = c.name(ordinal)
		}
	}
	last := &cluster{index: mostClusters - 1}
	if ip := net.ParseIP(last.address(perCluster - 1)); ip == nil || !ip.IsLoopback() {
		t.Errorf("the last one: %s", last.address(perCluster-1))
	}
}

func TestAnInstanceIsFoundByTheHostThatTheOperatorExpects(t *testing.T) {
	f := newFleet(50, 3, 20)
	want := f.clusters[45]
	found, ordinal := f.ofHost(naming.InstanceHost(want.key.Name, want.key.Namespace, want.name(3)))
	if found != want || ordinal != 3 {
		t.Errorf("found %v, %d", found, ordinal)
	}
	for _, host := range []string{"", "c-0045-3", naming.InstanceHost("c-0045", "elsewhere", "c-0045-3"),
		naming.InstanceHost(want.key.Name, want.key.Namespace, "c-0044-1"), naming.LeaderHost(want.key.Name, want.key.Namespace)} {
		if found, _ := f.ofHost(host); found != nil {
			t.Errorf("%q is taken for %s", host, found.key)
		}
	}
	if names := f.namespaces(); len(names) != 3 {
		t.Errorf("50 clusters, 20 in each: %v", names)
	}
}

func TestPoisonIsSpreadEvenlyAndAlwaysTheSame(t *testing.T) {
	f := newFleet(200, 1, 20)
	measured, spoiled := f.split(0.05)
	if len(measured) != 190 || len(spoiled) != 10 {
		t.Fatalf("%d are measured, and %d poisoned", len(measured), len(spoiled))
	}
	namespaces := map[string]bool{}
	for _, c := range spoiled {
		namespaces[c.key.Namespace] = true
	}
	if len(namespaces) != 10 {
		t.Errorf("they are in %d namespaces of 10", len(namespaces))
	}
	if measured, spoiled := f.split(0); len(measured) != 200 || len(spoiled) != 0 {
		t.Errorf("without poison: %d and %d", len(measured), len(spoiled))
	}
	if measured, _ := newFleet(1, 1, 1).split(0.99); len(measured) != 1 {
		t.Error("nobody is left to be measured")
	}
}
