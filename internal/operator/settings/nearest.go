package settings

import "strings"

// nearest setting whose name takes the fewest changes to come to from a ConfigMap's key, "" where none is near. A key
// written as the environment variable is at no distance. One that the ConfigMap cannot set is not proposed.
func nearest(key string) string {
	if len(key) > 100 {
		return ""
	}
	key = strings.TrimPrefix(strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(key)), "timonier-")
	best, found := len(key)/3+1, ""
	for _, d := range table {
		if changes := distance(key, d.name); changes < best && d.notInConfigMap == "" {
			best, found = changes, d.name
		}
	}
	return found
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
