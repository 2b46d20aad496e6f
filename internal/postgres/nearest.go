package postgres

import (
	"strings"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
	"github.com/timonier-io/timonier/internal/spelling"
)

// nearestName is the parameter whose name takes the fewest changes to come to from name, "" where
// none is near. One that users may not set is not proposed.
func nearestName(major, name string) string {
	name = strings.ToLower(name)
	best, nearest := len(name)/3+1, ""
	if len(name) > 100 {
		return ""
	}
	for _, p := range catalogue.All(major) {
		lower := strings.ToLower(p.Name)
		if d := spelling.Distance(name, lower); d < best && whyForbidden(major, lower) == "" {
			best, nearest = d, p.Name
		}
	}
	return nearest
}
