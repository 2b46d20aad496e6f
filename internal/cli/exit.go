package cli

import (
	"errors"
	"fmt"
)

// Codes that the program ends with, for scripts.
const (
	// CodeError: it could not be asked for: wrong arguments, no way to the API, no rights.
	CodeError = 1
	// CodeRefused: the operation could not be done safely, and nothing was done.
	CodeRefused = 2
	// CodeFailed: the operation was begun and has failed; or, of `status`, the cluster is not well.
	CodeFailed = 3
	// CodeTimeout: it goes on; only the waiting has ended.
	CodeTimeout = 4
)

// ExitError is an error with a code of its own.
type ExitError struct {
	Code    int
	Message string
}

func (e *ExitError) Error() string { return e.Message }

func exit(code int, format string, args ...any) error {
	return &ExitError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Code that an error ends the program with.
func Code(err error) int {
	var known *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &known):
		return known.Code
	}
	return CodeError
}
