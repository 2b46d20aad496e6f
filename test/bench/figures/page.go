package figures

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// WriteInto puts a summary into a page, in place of the former one of that benchmark; at the end of a page that has none.
func WriteInto(page, benchmark, summary string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(insert(string(text), benchmark, summary)), 0o600)
}

// insert a summary between its markers.
func insert(page, benchmark, summary string) string {
	begin, end := fmt.Sprintf("<!-- make %s: begin -->", benchmark), fmt.Sprintf("<!-- make %s: end -->", benchmark)
	block := begin + "\n" + summary + end
	before, rest, found := strings.Cut(page, begin)
	if !found {
		return strings.TrimRight(page, "\n") + "\n\n" + block + "\n"
	}
	_, after, _ := strings.Cut(rest, end)
	return before + block + after
}

// Median of a list, the mean of the two in the middle where it is even.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
