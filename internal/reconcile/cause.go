package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// PanicError is a panic of a phase that was caught.
type PanicError struct {
	// Value that was panicked with, and the Stack where.
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// ReasonPanic stands for a panic, ReasonError for an error that has no reason of its own.
const (
	ReasonPanic = "Panic"
	ReasonError = "Error"

	reasonConnection = "Connection"
	reasonStorage    = "Storage"
	reasonFile       = "File"
)

// CauseOf an error, and its reason in one word: the worst of those that it joins, for what passes must not hide what does not.
func CauseOf(err error) (cause quarantine.Cause, reason string) {
	if err == nil {
		return quarantine.Done, ""
	}
	if cause, reason, known := causeItself(err); known {
		return cause, reason
	}
	switch wrapped := err.(type) { //nolint:errorlint // one level after the other: As would find the first of several that are joined
	case interface{ Unwrap() []error }:
		for _, joined := range wrapped.Unwrap() {
			if c, r := CauseOf(joined); c > cause {
				cause, reason = c, r
			}
		}
		return cause, reason
	case interface{ Unwrap() error }:
		if inner := wrapped.Unwrap(); inner != nil {
			return CauseOf(inner)
		}
	}
	return quarantine.Unknown, ReasonError
}

// causeItself is that of an error which is one of those known, and not of what it wraps.
func causeItself(err error) (cause quarantine.Cause, reason string, known bool) {
	switch e := err.(type) { //nolint:errorlint // its own kind; CauseOf goes through what it wraps
	case *WaitError:
		return quarantine.Waits, e.Reason, true
	case *StalledError:
		return quarantine.Stalls, e.Reason, true
	case *PanicError:
		return quarantine.Panic, ReasonPanic, true
	case apierrors.APIStatus:
		return causeOfStatus(e.Status())
	case *fs.PathError, *os.LinkError: // a file: what it wraps is an errno, and each of these says that it is a net.Error
		return quarantine.Unknown, reasonFile, true
	case syscall.Errno:
		if passes(e) {
			return quarantine.Passing, reasonConnection, true
		}
		return quarantine.Unknown, ReasonError, true
	case net.Error: // a refused, reset or lost connection, a name that is not found, a timeout
		if file := new(fs.PathError); errors.As(err, &file) {
			return quarantine.Unknown, reasonFile, true // a request whose content could not be read
		}
		return quarantine.Passing, reasonConnection, true
	}
	if passes(err) {
		return quarantine.Passing, reasonConnection, true
	}
	return 0, "", false
}

// passes tells whether an error itself, and not what it wraps, is one of a connection or of an end that was asked for.
func passes(err error) bool {
	for _, passing := range []error{
		context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if err == passing { //nolint:errorlint // itself
			return true
		}
	}
	return false
}

// causeOfStatus is what an answer of the API server that is not a success stands for.
func causeOfStatus(status metav1.Status) (cause quarantine.Cause, reason string, known bool) {
	reason = reasonOf(status)
	switch status.Reason {
	case metav1.StatusReasonConflict, metav1.StatusReasonTimeout, metav1.StatusReasonServerTimeout, metav1.StatusReasonTooManyRequests,
		metav1.StatusReasonServiceUnavailable, metav1.StatusReasonExpired:
		return quarantine.Passing, reason, true
	default:
		switch {
		case storageFails(status):
			return quarantine.Passing, reasonStorage, true
		case status.Code >= http.StatusBadGateway && status.Code <= http.StatusGatewayTimeout && isNoStatus(status):
			return quarantine.Passing, reasonConnection, true // of a proxy before the API server, which has not answered itself
		}
		return quarantine.Unknown, reason, true
	}
}

// oneWord is what the status can hold as a reason.
var oneWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)

// isNoStatus tells whether an answer was none that the API server gives: the client has made a Status of it.
func isNoStatus(status metav1.Status) bool {
	return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool { return c.Type == metav1.CauseTypeUnexpectedServerResponse })
}

// LacksRight tells whether the API server refused, since whoever asked has no right to: nothing is wrong with the object. Only the text tells that from what a quota or
// a policy refuses: that of the authorization filter (k8s.io/apiserver, responsewriters.ForbiddenStatusError) or of the
// admission plug-in OwnerReferencesPermissionEnforcement.
func LacksRight(err error) bool {
	return apierrors.IsForbidden(err) && lacksRight.MatchString(err.Error())
}

var lacksRight = regexp.MustCompile(`User "[^"]*" cannot [a-z]+ resource |cannot set blockOwnerDeletion `)

// reasonOf an answer. A webhook may give any text as its reason: for a sentence, which may be another one each time, the code's name stands.
func reasonOf(status metav1.Status) string {
	if reason := string(status.Reason); oneWord.MatchString(reason) {
		return reason
	}
	if name := strings.ReplaceAll(http.StatusText(int(status.Code)), " ", ""); status.Reason != "" && oneWord.MatchString(name) {
		return name
	}
	return ReasonError
}

// storageFails tells whether etcd refused, without a quorum or out of space, and no object is at fault. The API server passes that on as an error of its own,
// which only its text tells: that of etcd's errors (go.etcd.io/etcd/api/v3/v3rpc/rpctypes), or of a gRPC call that reached none.
func storageFails(status metav1.Status) bool {
	return status.Code >= http.StatusInternalServerError &&
		(strings.Contains(status.Message, "etcdserver: ") || strings.Contains(status.Message, "rpc error: code = Unavailable"))
}

// Attempts are how the phases ended that ran, as quarantine counts them.
func Attempts(outcomes []Outcome) []quarantine.Attempt {
	var attempts []quarantine.Attempt
	for _, outcome := range outcomes {
		if outcome.Skipped {
			continue
		}
		cause, reason := CauseOf(outcome.Err)
		attempt := quarantine.Attempt{Phase: outcome.Phase, Cause: cause, Reason: reason}
		if cause.Counts() {
			attempt.Message = Brief(outcome.Err.Error())
		}
		attempts = append(attempts, attempt)
	}
	return attempts
}

// failsBy are the reasons of those that count, for the census of a kind: also of what failed before, and was not attempted now, or ended by what says nothing. What is not
// in quarantine counts by that for as long as quarantine remembers it where it waits.
func failsBy(attempts []quarantine.Attempt, before contract.FailureStatus, facts quarantine.Facts) []string {
	var reasons []string
	says := map[string]bool{}
	for _, attempt := range attempts {
		says[attempt.Phase] = attempt.Cause != quarantine.Passing
		if attempt.Cause.Counts() {
			reasons = append(reasons, attempt.Reason)
		}
	}
	for _, failure := range before.Failures {
		if !says[failure.Phase] && facts.Now.Sub(failure.Last.Time) < facts.Policy.Interval {
			reasons = append(reasons, failure.Reason)
		}
	}
	for _, entry := range before.Quarantine {
		if !says[entry.Phase] {
			reasons = append(reasons, entry.Reason)
		}
	}
	slices.Sort(reasons)
	return slices.Compact(reasons)
}
