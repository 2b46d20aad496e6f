package operator

import "testing"

func TestPostgresImagesLieBesideTheOperatorsOwn(t *testing.T) {
	for own, want := range map[string]string{
		"registry.example:5000/team/timonier:v1":                        "registry.example:5000/team/postgres:17",
		"timonier.local/timonier:dev":                                   "timonier.local/postgres:17",
		"registry.example/timonier@sha256:0123456789012345678901234567": "registry.example/postgres:17",
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
