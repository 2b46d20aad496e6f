package figures

import "testing"

func TestTheSummaryReplacesTheFormerOneAndNothingElse(t *testing.T) {
	const begin, end = "<!-- make bench-x: begin -->", "<!-- make bench-x: end -->"
	page := "# Benchmarks\n\n" + begin + "\nold\n" + end + "\n\n<!-- make bench-y: begin -->\nother\n"
	want := "# Benchmarks\n\n" + begin + "\nnew\n" + end + "\n\n<!-- make bench-y: begin -->\nother\n"
	if got := insert(page, "bench-x", "new\n"); got != want {
		t.Errorf("got %q", got)
	}
	if got := insert(want, "bench-x", "new\n"); got != want {
		t.Errorf("a second time: got %q", got)
	}
	if got := insert("# Benchmarks\n", "bench-x", "new\n"); got != "# Benchmarks\n\n"+begin+"\nnew\n"+end+"\n" {
		t.Errorf("a page without markers: got %q", got)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := Median(values); got != want {
			t.Errorf("median of %v is %v, not %v", values, got, want)
		}
	}
}

func TestKibibytes(t *testing.T) {
	if n, err := Kibibytes("VmPeak:\t  99 kB\nVmRSS:\t   1234 kB\n", "VmRSS:"); n != 1234 || err != nil {
		t.Errorf("got %d (%v)", n, err)
	}
	if _, err := Kibibytes("VmPeak: 99 kB\n", "VmRSS:"); err == nil {
		t.Error("a line that is not there is read")
	}
}

func TestCPUSeconds(t *testing.T) {
	const text = "Name:\tx (y\n1 (a (b) c) S 0 1 1 0 -1 4194560 100 200 0 0 250 50 70 30 20 0 9\n"
	if used, err := CPUSeconds(text); used != 4 || err != nil {
		t.Errorf("got %v (%v)", used, err)
	}
	if _, err := CPUSeconds("VmRSS: 99 kB\n"); err == nil {
		t.Error("a line that is not there is read")
	}
}
