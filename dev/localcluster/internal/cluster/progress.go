package cluster

import (
	"fmt"
	"io"
	"time"
)

// progress says what is being done and how long each step took.
type progress struct {
	out   io.Writer
	start time.Time
}

func newProgress(out io.Writer) progress { return progress{out: out, start: time.Now()} }

// step runs one step and prints its line when it has ended.
func (p progress) step(name string, do func() error) error {
	began := time.Now()
	err := do()
	mark := "✓"
	if err != nil {
		mark = "✗"
	}
	fmt.Fprintf(p.out, "%s %-42s %6.1f s\n", mark, name, time.Since(began).Seconds())
	return err
}

func (p progress) total() string { return fmt.Sprintf("%.1f s", time.Since(p.start).Seconds()) }
