package registry

import "testing"

func TestOnlyRegistriesOfTheHostArePassedOn(t *testing.T) {
	for registry, want := range map[string]bool{
		"10.90.0.1:5000": true, "localhost:5000": true, "127.0.0.1:40123": true,
		"registry.example.com": false, "registry.example.com:443": false, "10.90.0.12:5000": false, "": false,
	} {
		if got := onHost(registry); got != want {
			t.Errorf("onHost(%q) is %t", registry, got)
		}
	}
}
