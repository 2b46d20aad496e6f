package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// permanentError ends until at once.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// permanent marks an error that waiting does not cure; nil stays nil.
func permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// until polls until do succeeds, fails permanently or the context ends. It then says what was missing
// last rather than that time ran out.
func until(ctx context.Context, do func() error) error {
	for {
		err := do()
		var p permanentError
		if err == nil {
			return nil
		} else if errors.As(err, &p) {
			return p.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited too long: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
