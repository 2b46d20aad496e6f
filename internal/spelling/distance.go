// Package spelling tells how near a name that somebody wrote is to one that there is. It knows no names itself.
package spelling

// Distance is Levenshtein's: how many letters must be inserted, left out or replaced to come from one name to the other. Both are
// compared byte by byte: names of settings and parameters are ASCII.
func Distance(a, b string) int {
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
