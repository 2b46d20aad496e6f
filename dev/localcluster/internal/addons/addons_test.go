package addons

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

func TestEveryManifestSaysWhereItsObjectIs(t *testing.T) {
	files, err := manifests.ReadDir("manifests")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if path, err := pathOf(read(t, f.Name())); err != nil || strings.Contains(path, "%") {
			t.Errorf("%s: %q, %v", f.Name(), path, err)
		}
	}
}

func TestTheManifestsAgreeWithTheLayout(t *testing.T) {
	for file, want := range map[string]string{
		"dns-service.yaml":    "clusterIP: " + layout.DNSService + "\n",
		"dns-config.yaml":     "kubernetes " + layout.Domain + " ",
		"dns-deployment.yaml": "image: " + Images("")["coredns.tar"].Reference + "\n",
	} {
		if !strings.Contains(string(read(t, file)), want) {
			t.Errorf("%s does not hold %q", file, want)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
