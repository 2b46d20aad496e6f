package postgres

import (
	"strings"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
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
		if d := distance(name, lower); d < best && whyForbidden(major, lower) == "" {
			best, nearest = d, p.Name
		}
	}
	return nearest
}

// distance is Levenshtein's: how many letters must be inserted, left out or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
