package settings

import (
	"strings"

	"github.com/timonier-io/timonier/internal/spelling"
)

// nearest setting whose name takes the fewest changes to come to from a ConfigMap's key, "" where none is near. A key
// written as the environment variable is at no distance. One that the ConfigMap cannot set is not proposed.
func nearest(key string) string {
	if len(key) > 100 {
		return ""
	}
	key = strings.TrimPrefix(strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(key)), "timonier-")
	best, found := len(key)/3+1, ""
	for _, d := range table {
		if changes := spelling.Distance(key, d.name); changes < best && d.notInConfigMap == "" {
			best, found = changes, d.name
		}
	}
	return found
}
