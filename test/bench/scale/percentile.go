package main

import (
	"math"
	"slices"
	"time"
)

// percentile by nearest rank: the least of the values that this share of them does not exceed; 0 where there are none.
func percentile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// tenth rounds to one decimal.
func tenth(value float64) float64 { return math.Round(value*10) / 10 }

func milliseconds(span time.Duration) float64 {
	return tenth(float64(span) / float64(time.Millisecond))
}

func mebibytes(kibibytes int) float64 { return float64(kibibytes) / 1024 }
