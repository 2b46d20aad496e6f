// Package stage prints how long each step of a build took, because the builds have a time
// budget (two minutes each from nothing, five seconds when nothing changed) and a budget that
// nobody sees is not kept.
package stage

import (
	"fmt"
	"io"
	"time"
)

// Log times the stages of one image's build.
type Log struct {
	image string
	out   io.Writer
	now   func() time.Time
}

// New returns a log whose lines start with "[image]". The clock is passed in so that its output
// can be tested; builds pass time.Now.
func New(image string, out io.Writer, now func() time.Time) *Log {
	return &Log{image: image, out: out, now: now}
}

// Run does one stage and prints its name and duration, also when it fails.
func (l *Log) Run(name string, do func() error) error {
	start := l.now()
	err := do()
	verdict := ""
	if err != nil {
		verdict = " failed"
	}
	_, _ = fmt.Fprintf(l.out, "[%s] %s %.1fs%s\n", l.image, name, l.now().Sub(start).Seconds(), verdict)
	return err
}

// Say prints a line about the build that is not a stage.
func (l *Log) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.out, "[%s] %s\n", l.image, fmt.Sprintf(format, args...))
}
