package workload

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Gap is a time between two acknowledged writes, counted from the load's start.
type Gap struct {
	From, To time.Duration
	// Open: no write was acknowledged since; To is when it was looked at.
	Open bool
}

// Length of the gap.
func (g Gap) Length() time.Duration { return g.To - g.From }

// meter is one client that writes a row at each tick, and knows when rows were acknowledged. While an answer is
// waited for, ticks pass.
type meter struct {
	*tally
	*rows
	mutex sync.Mutex
	acks  []time.Duration
	// sequences of what was acknowledged then.
	sequences []int64
}

func newMeter() *meter { return &meter{tally: newTally(), rows: newRows()} }

func (m *meter) run(l *Load) {
	s := newSession(l.config, l.options, "meter")
	defer s.close()
	tick := time.NewTicker(l.options.Every)
	defer tick.Stop()
	for sequence := int64(1); ; sequence++ {
		call := l.now()
		outcome, err := s.write(context.Background(), func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "INSERT INTO load_beats (sequence) VALUES ($1)", sequence)
			return err
		})
		m.note(sequence, fate{outcome, call, l.now()}, err)
		select {
		case <-l.stopped:
			return
		case <-tick.C:
		}
	}
}

func (m *meter) note(sequence int64, became fate, err error) {
	m.tally.add(became.outcome, err, became.end)
	m.rows.add(Row{Sequence: sequence}, became)
	if became.outcome == Acknowledged {
		m.mutex.Lock()
		defer m.mutex.Unlock()
		m.acks, m.sequences = append(m.acks, became.end), append(m.sequences, sequence)
	}
}

// latest sequence that was acknowledged by then; 0 for none.
func (m *meter) latest(by time.Duration) int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	after, _ := slices.BinarySearch(m.acks, by+1)
	if after == 0 {
		return 0
	}
	return m.sequences[after-1]
}

// longest gap that ends later than from, looked at until now.
func (m *meter) longest(from, now time.Duration) Gap {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return longest(m.acks, from, now)
}

// longest time between two of these, ascending, that ends later than from. The time from the last one until now counts
// as well: a load that never goes on has no second end. A gap that began before from counts in full.
func longest(acks []time.Duration, from, now time.Duration) Gap {
	var found Gap
	var previous time.Duration
	for _, at := range acks {
		if gap := (Gap{From: previous, To: at}); previous > 0 && at > from && gap.Length() > found.Length() {
			found = gap
		}
		previous = at
	}
	if gap := (Gap{From: previous, To: now, Open: true}); gap.Length() > found.Length() {
		found = gap
	}
	return found
}

func (m *meter) steadyFor(gap, since, now time.Duration) time.Duration {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return steadyFor(m.acks, gap, since, now)
}

// steadyFor is how long, until now, no two of these were further apart than a gap, looking back until since.
func steadyFor(acks []time.Duration, gap, since, now time.Duration) time.Duration {
	later := now
	for _, at := range slices.Backward(acks) {
		if later-at > gap {
			break
		}
		later = at
		if at <= since {
			later = since
			break
		}
	}
	return now - later
}
