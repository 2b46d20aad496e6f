//go:build integration

package integration

import "testing"

func TestWhatAPlatformMaySay(t *testing.T) {
	for _, test := range []struct{ name, platform, spec, says string }{
		{"the one", "default", `{postgresImages: [{version: "17", image: "registry.example/postgres:17"}]}`, ""},
		{"another name", "other", `{}`, "metadata.name: there is one Platform, and its name is default"},
		{"a version twice", "default", `{postgresImages: [{version: "17", image: a}, {version: "17", image: b}]}`, "Duplicate value"},
		{"an unknown version", "default", `{postgresImages: [{version: "16", image: a}]}`, `supported values: "15", "17"`},
		{"no image", "default", `{postgresImages: [{version: "17"}]}`, "spec.postgresImages[0].image: Required"},
		{"an empty image", "default", `{postgresImages: [{version: "17", image: ""}]}`, "spec.postgresImages[0].image"},
		{"a misspelt field", "default", `{images: []}`, "unknown field"},
	} {
		t.Run(test.name, func(t *testing.T) {
			made := object(t, `
apiVersion: platform.timonier.io/v1alpha1
kind: Platform
metadata: {name: `+test.platform+`}
spec: `+test.spec)
			err := server.client.Create(t.Context(), made)
			mustSay(t, err, test.says)
			if err == nil {
				if err := server.client.Delete(t.Context(), made); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
