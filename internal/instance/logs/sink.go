// Package logs brings everything that is worth reading to standard output, as JSON
// objects of one line each: what the instance manager says, and what PostgreSQL
// writes with its jsonlog, all fields kept.
//
// PostgreSQL's logging collector writes into named pipes (fifo.go), which the
// manager holds open and keeps over its own replacement by exec. lines.go cuts them into
// lines, entry.go makes each an object, sink.go writes them out without ever holding a reader up.
package logs

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// queueBytes is how much may wait for a standard output that does not take it; then lines are dropped and
// counted, since PostgreSQL's backends would wait for the log otherwise.
const queueBytes = 1 << 20

// Sink writes whole lines to an output. It is safe for concurrent use and never blocks.
type Sink struct {
	mu      sync.Mutex
	wake    *sync.Cond
	queue   [][]byte
	bytes   int
	dropped int
	busy    bool
	now     func() time.Time
}

// NewSink writes to output until the program ends.
func NewSink(output io.Writer, now func() time.Time) *Sink {
	s := &Sink{now: now}
	s.wake = sync.NewCond(&s.mu)
	go s.run(output)
	return s
}

// Write takes one line, with its line break. It is an io.Writer for slog's handler, and never fails.
func (s *Sink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+len(line) > queueBytes {
		s.dropped++
		return len(line), nil
	}
	s.queue = append(s.queue, append([]byte(nil), line...))
	s.bytes += len(line)
	s.wake.Broadcast()
	return len(line), nil
}

// Flush waits until everything is written, at most for this long.
func (s *Sink) Flush(limit time.Duration) {
	timer := time.AfterFunc(limit, s.wake.Broadcast)
	defer timer.Stop()
	end := s.now().Add(limit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for (len(s.queue) > 0 || s.busy) && s.now().Before(end) {
		s.wake.Wait()
	}
}

func (s *Sink) run(output io.Writer) {
	for {
		for _, line := range s.take() {
			_, _ = output.Write(line) // nobody is left to tell
		}
	}
}

// take waits for lines and returns all that there are; those that were dropped are told of.
func (s *Sink) take() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.wake.Broadcast()
	for len(s.queue) == 0 {
		s.wake.Wait()
	}
	lines := s.queue
	if s.dropped > 0 {
		lines = append(lines, fmt.Appendf(nil, "{\"time\":%q,\"level\":\"WARN\",\"msg\":\"log lines were dropped, since standard output did not take them\",\"count\":%d}\n",
			s.now().UTC().Format(time.RFC3339Nano), s.dropped))
	}
	s.queue, s.bytes, s.dropped, s.busy = nil, 0, 0, true
	return lines
}
