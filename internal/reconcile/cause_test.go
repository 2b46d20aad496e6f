package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// refusedFor a reason, as a webhook gives it.
func refusedFor(reason string, code int32) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReason(reason), Code: code, Message: "refused"}}
}

var services = schema.GroupResource{Resource: "services"}

func TestEachErrorHasItsCauseHoweverDeepItIsWrapped(t *testing.T) {
	refused := &url.Error{Op: "Get", URL: "https://10.0.0.1", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}}
	for name, tc := range map[string]struct {
		err    error
		cause  quarantine.Cause
		reason string
	}{
		"none":                        {nil, quarantine.Done, ""},
		"a conflict":                  {apierrors.NewConflict(services, "shop", errors.New("changed")), quarantine.Passing, "Conflict"},
		"throttling":                  {apierrors.NewTooManyRequests("later", 1), quarantine.Passing, "TooManyRequests"},
		"a timeout of the API server": {apierrors.NewServerTimeout(services, "get", 1), quarantine.Passing, "ServerTimeout"},
		"a timeout of ours":           {context.DeadlineExceeded, quarantine.Passing, "Connection"},
		"a refused connection":        {refused, quarantine.Passing, "Connection"},
		"a lost connection":           {os.NewSyscallError("read", syscall.ECONNRESET), quarantine.Passing, "Connection"},
		"a broken pipe":               {fmt.Errorf("asking: %w", syscall.EPIPE), quarantine.Passing, "Connection"},
		"a file that is missing":      {&fs.PathError{Op: "open", Path: "/manager", Err: syscall.ENOENT}, quarantine.Unknown, "File"},
		"a file on a lost server":     {&fs.PathError{Op: "read", Path: "/manager", Err: syscall.ETIMEDOUT}, quarantine.Unknown, "File"},
		"a file that is sent":         {&url.Error{Op: "Put", URL: "https://10.0.0.1", Err: &fs.PathError{Op: "read", Path: "/manager", Err: syscall.EIO}}, quarantine.Unknown, "File"},
		"a link that is not made":     {&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}, quarantine.Unknown, "File"},
		"a full disk":                 {syscall.ENOSPC, quarantine.Unknown, ReasonError},
		"what is left alone":          {&LeftAloneError{Kind: "Secret", Name: "shop-ca", By: "an override"}, quarantine.Stalls, ReasonHandsOff},
		"what is waited for":          {Wait(0, "Starting", "soon"), quarantine.Waits, "Starting"},
		"what a person must act on":   {Stalled("NameTaken", "taken"), quarantine.Stalls, "NameTaken"},
		"a quota":                     {apierrors.NewForbidden(services, "shop", errors.New("exceeded quota")), quarantine.Unknown, "Forbidden"},
		"an admission policy":         {apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "shop", nil), quarantine.Unknown, "Invalid"},
		"an error of the API server":  {apierrors.NewInternalError(errors.New("webhook")), quarantine.Unknown, "InternalError"},
		"a webhook's sentence":        {refusedFor("no Service of team x before 12:03:04 o'clock", http.StatusForbidden), quarantine.Unknown, "Forbidden"},
		"a webhook's long word":       {refusedFor(strings.Repeat("No", 40), http.StatusUnprocessableEntity), quarantine.Unknown, "UnprocessableEntity"},
		"a webhook's own code":        {refusedFor("not today", 599), quarantine.Unknown, ReasonError},
		"a load balancer's answer":    {apierrors.NewGenericServerResponse(http.StatusBadGateway, "PUT", services, "shop", "no healthy upstream", 0, true), quarantine.Passing, "Connection"},
		"a policy that says so":       {refusedFor("BadGateway", http.StatusBadGateway), quarantine.Unknown, "BadGateway"},
		"anything else":               {errors.New("no idea"), quarantine.Unknown, ReasonError},
		"a panic":                     {&PanicError{Value: "nil map"}, quarantine.Panic, ReasonPanic},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := tc.err
			if wrapped != nil {
				wrapped = fmt.Errorf("writing Service shop: %w", errors.Join(tc.err))
			}
			if cause, reason := CauseOf(wrapped); cause != tc.cause || reason != tc.reason {
				t.Errorf("cause %d, reason %q; want %d, %q", cause, reason, tc.cause, tc.reason)
			}
		})
	}
}

func TestWhatTheOperatorMayNotDoIsToldFromWhatAPolicyRefuses(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for refusal, lacks := range map[string]bool{
		`User "system:serviceaccount:timonier-system:timonier-operator" cannot create resource "pods" in API group "" in the namespace "shop"`: true,
		`cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`:                         true,
		"exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3":                                                              false,
		`violates PodSecurity "restricted:latest": runAsNonRoot != true`:                                                                       false,
	} {
		if got := LacksRight(fmt.Errorf("creating: %w", apierrors.NewForbidden(pods, "shop-1", errors.New(refusal)))); got != lacks {
			t.Errorf("%s: %v", refusal, got)
		}
	}
	if LacksRight(nil) || LacksRight(errors.New(`User "a" cannot create resource "pods"`)) {
		t.Error("it was not the API server that said so")
	}
}

func TestWhatPassesDoesNotHideWhatDoesNot(t *testing.T) {
	err := errors.Join(Wait(0, "Starting", "soon"), fmt.Errorf("a: %w", errors.New("no idea")), context.DeadlineExceeded)
	if cause, reason := CauseOf(err); cause != quarantine.Unknown || reason != ReasonError {
		t.Errorf("cause %d, reason %q", cause, reason)
	}
}

func TestPhasesThatDidNotRunAreNoAttempts(t *testing.T) {
	attempts := Attempts([]Outcome{
		{Phase: "network", Err: errors.New(strings.Repeat("long ", 1000))}, {Phase: "instances", Skipped: true}, {Phase: "access"},
		{Phase: "budget", Err: Wait(0, "Starting", "soon")},
	})
	if len(attempts) != 3 || attempts[0].Phase != "network" || attempts[0].Cause != quarantine.Unknown || len(attempts[0].Message) > 1010 ||
		attempts[1].Cause != quarantine.Done || attempts[2].Cause != quarantine.Waits {
		t.Errorf("attempts: %+v", attempts)
	}
	if reasons := failsBy(attempts, contract.FailureStatus{}, quarantine.Facts{}); len(reasons) != 1 || reasons[0] != ReasonError {
		t.Errorf("it fails by %v", reasons)
	}
}

func TestWhatFailedBeforeFailsStillUntilAnAttemptSaysSomethingElse(t *testing.T) {
	facts := quarantine.Facts{Now: time.Unix(10000, 0), Policy: quarantine.DefaultPolicy()}
	lately, longAgo := metav1.NewTime(facts.Now.Add(-time.Minute)), metav1.NewTime(facts.Now.Add(-time.Hour))
	before := contract.FailureStatus{
		Failures:   []contract.Failure{{Phase: "network", Reason: "Forbidden", Last: lately}, {Phase: "budget", Reason: "NotFound", Last: longAgo}},
		Quarantine: []contract.Quarantine{{Phase: "access", Reason: "Invalid", Trying: true}},
	}
	for sentence, tc := range map[string]struct {
		attempts []quarantine.Attempt
		reasons  string
	}{
		"nothing was attempted":         {nil, "[Forbidden Invalid]"},
		"both passed":                   {[]quarantine.Attempt{{Phase: "network", Cause: quarantine.Passing}, {Phase: "access", Cause: quarantine.Passing}}, "[Forbidden Invalid]"},
		"one is done, the other waits":  {[]quarantine.Attempt{{Phase: "network", Cause: quarantine.Done}, {Phase: "access", Cause: quarantine.Waits}}, "[]"},
		"both fail by something else":   {[]quarantine.Attempt{{Phase: "network", Cause: quarantine.Unknown, Reason: "Error"}, {Phase: "access", Cause: quarantine.Unknown, Reason: "Error"}}, "[Error]"},
		"one fails as before, one else": {[]quarantine.Attempt{{Phase: "network", Cause: quarantine.Unknown, Reason: "Forbidden"}, {Phase: "volumes", Cause: quarantine.Unknown, Reason: "Error"}}, "[Error Forbidden Invalid]"},
	} {
		if got := fmt.Sprint(failsBy(tc.attempts, before, facts)); got != tc.reasons {
			t.Errorf("%s: it fails by %s", sentence, got)
		}
	}
}
