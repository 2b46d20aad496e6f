package main

import "testing"

func TestThePercentileIsAValueThatWasMeasured(t *testing.T) {
	var hundred []float64
	for n := 100; n > 0; n-- {
		hundred = append(hundred, float64(n))
	}
	for _, test := range []struct {
		values []float64
		share  float64
		want   float64
	}{
		{nil, 0.99, 0},
		{[]float64{7}, 0.99, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{3, 1, 2}, 0, 1},
		{[]float64{3, 1, 2}, 1, 3},
		{hundred, 0.99, 99},
		{hundred, 0.995, 100},
	} {
		if got := percentile(test.values, test.share); got != test.want {
			t.Errorf("%v of %v is %v, not %v", test.share, test.values, got, test.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the values were sorted in place")
	}
}
