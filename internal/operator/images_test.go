package operator

import (
	"os"
	"strings"
	"testing"
)

func TestPostgresImagesLieBesideTheOperatorsOwn(t *testing.T) {
	for own, want := range map[string]string{
		"registry.example:5000/team/timonier:v1":                            "registry.example:5000/team/postgres:17",
		"timonier.local/timonier:dev":                                       "timonier.local/postgres:17",
		"registry.example/timonier@sha256:0123456789012345678901234567":     "registry.example/postgres:17",
		"registry.example:5000/team/timonier:v1@sha256:0123456789012345678": "registry.example:5000/team/postgres:17",
		"timonier:dev": "postgres:17",
	} {
		if got := postgresImages(own, nil)["15"]; got != want {
			t.Errorf("beside %s: %s, want %s", own, got, want)
		}
	}
	if got := postgresImages("a/timonier", map[string]string{"17": "mine:17"}); got["17"] != "mine:17" || got["15"] != "a/postgres:17" {
		t.Errorf("with a flag for 17: %v", got)
	}
}

// Beside an operator's image that is named by digest, only a tag could be guessed, and a node may have another build under it.
func TestADeploymentFromARegistryNamesThePostgresImageOfEveryVersion(t *testing.T) {
	script, err := os.ReadFile("../../hack/deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	for version := range bundledImages {
		if !strings.Contains(string(script), version+"=$postgres") {
			t.Errorf("hack/deploy.sh does not give --postgres-image for version %s", version)
		}
	}
	const pushed = "registry.example/team/postgres@sha256:0123456789"
	flags := map[string]string{"15": pushed, "17": pushed}
	for version, image := range postgresImages("registry.example/team/timonier@sha256:9876543210", flags) {
		if image != pushed {
			t.Errorf("the image of version %s is %s", version, image)
		}
	}
}
