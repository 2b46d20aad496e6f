package spelling

import "testing"

func TestTheDistanceIsTheNumberOfLettersToChange(t *testing.T) {
	for _, pair := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"work_mem", "work_mem", 0}, {"", "abc", 3}, {"workmem", "work_mem", 1}, {"work_mems", "work_mem", 1},
		{"work_men", "work_mem", 1}, {"max-retires", "max-retries", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 2},
	} {
		if there, back := Distance(pair.a, pair.b), Distance(pair.b, pair.a); there != pair.want || back != pair.want {
			t.Errorf("%q and %q: %d and %d, want %d", pair.a, pair.b, there, back, pair.want)
		}
	}
}
