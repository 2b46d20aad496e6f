package metrics

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// histogram is the third kind of metric, in the words of the text format.
const histogram = "histogram"

// Counter counts since this program started, by the values of its labels. Safe for concurrent use.
type Counter struct {
	family
	labels []string

	mu    sync.Mutex
	known series[float64]
}

// series are what belongs to each combination of labels' values. Their number is bounded by whoever adds: values are words
// of the code, never a user's.
type series[T any] struct {
	keys   []string
	values map[string][]string
	of     map[string]*T
}

// get the one with these values of labels, a new one where it is the first.
func (s *series[T]) get(values []string) *T {
	key := strings.Join(values, "\x00")
	if found := s.of[key]; found != nil {
		return found
	}
	if s.of == nil {
		s.of, s.values = map[string]*T{}, map[string][]string{}
	}
	s.keys = append(s.keys, key)
	slices.Sort(s.keys)
	s.of[key], s.values[key] = new(T), slices.Clone(values)
	return s.of[key]
}

// newCounter that tells of these values from the beginning, as 0: the first increase of a series that was not there cannot be seen.
func newCounter(name, help string, labels []string, from ...[]string) *Counter {
	c := &Counter{family: family{name, counter, help}, labels: labels}
	if len(labels) == 0 {
		from = [][]string{nil}
	}
	for _, values := range from {
		c.known.get(values)
	}
	return c
}

// Add one, for these values of its labels.
func (c *Counter) Add(values ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.known.get(values)++
}

func (c *Counter) write(e *encoder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.head(c.family)
	for _, key := range c.known.keys {
		e.sample(c.name, c.labels, c.known.values[key], *c.known.of[key])
	}
}

// Histogram of durations, in seconds, by the values of its labels. Safe for concurrent use.
type Histogram struct {
	family
	labels  []string
	buckets []float64

	mu    sync.Mutex
	known series[observed]
}

// observed durations: how many in each bucket, not counting those in smaller ones; the last is for those beyond all.
type observed struct {
	counts []float64
	sum    float64
}

// newHistogram with the upper bounds of its buckets, in seconds, increasing.
func newHistogram(name, help string, buckets []float64, labels []string, from ...[]string) *Histogram {
	h := &Histogram{family: family{name, histogram, help}, labels: labels, buckets: buckets}
	if len(labels) == 0 {
		from = [][]string{nil}
	}
	for _, values := range from {
		h.known.get(values)
	}
	return h
}

// Observe a duration. One below zero, as of a clock that was set back, counts as none.
func (h *Histogram) Observe(took time.Duration, values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o := h.known.get(values)
	if o.counts == nil {
		o.counts = make([]float64, len(h.buckets)+1)
	}
	seconds := max(took, 0).Seconds()
	at, _ := slices.BinarySearch(h.buckets, seconds)
	o.counts[at]++
	o.sum += seconds
}

func (h *Histogram) write(e *encoder) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.head(h.family)
	bounded := append(slices.Clone(h.labels), "le")
	for _, key := range h.known.keys {
		o, values := h.known.of[key], h.known.values[key]
		total := 0.0
		for i := range len(h.buckets) + 1 {
			bound := "+Inf"
			if i < len(h.buckets) {
				bound = number(h.buckets[i])
			}
			if o.counts != nil {
				total += o.counts[i]
			}
			e.sample(h.name+"_bucket", bounded, append(slices.Clone(values), bound), total)
		}
		e.sample(h.name+"_sum", h.labels, values, o.sum)
		e.sample(h.name+"_count", h.labels, values, total)
	}
}
