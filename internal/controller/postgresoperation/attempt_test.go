package postgresoperation

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

// attempted runs so many attempts, a minute apart, and tells what is known of failures then.
func attempted(r *Reconciler, clock *time.Time, uid string, times int, run func(context.Context, *attempt) error) (failures contract.FailureStatus) {
	operation := &v1alpha1.PostgresOperation{}
	operation.UID, operation.Generation = types.UID(uid), 1
	for range times {
		failures, _ = r.counted(context.Background(), &attempt{operation: operation}, quarantine.DefaultPolicy(), run)
		*clock = clock.Add(time.Minute)
	}
	return failures
}

func kept() (*Reconciler, *time.Time) {
	clock := time.Unix(2000, 0)
	return &Reconciler{Keeper: &reconcile.Keeper{Version: "v1"}, Now: func() time.Time { return clock }}, &clock
}

func panics(context.Context, *attempt) error { panic("a mistake of ours") }

func fails(context.Context, *attempt) error { return errors.New("no") }

func succeeds(context.Context, *attempt) error { return nil }

func TestAnOperationThatPanicsThriceIsGivenUpAndNoOther(t *testing.T) {
	r, clock := kept()
	if twice := attempted(r, clock, "cursed", 2, panics); len(twice.Quarantine) > 0 || twice.Failures[0].Panics != 2 {
		t.Fatalf("after two panics: %+v", twice)
	}
	thrice := attempted(r, clock, "cursed", 1, panics)
	if len(thrice.Quarantine) != 1 {
		t.Fatalf("after three panics: %+v", thrice)
	}
	if other := attempted(r, clock, "other", 1, succeeds); len(other.Quarantine)+len(other.Failures) > 0 {
		t.Errorf("another operation: %+v", other)
	}
	refused := givenUp(v1alpha1.PostgresOperationStatus{}, thrice.Quarantine[0])
	if refused.verb != verbRefuse || refused.reason != v1alpha1.ReasonPanicked || !strings.Contains(refused.message, "a mistake of ours") || !strings.Contains(refused.message, "nothing was done") {
		t.Errorf("not begun: %+v", refused)
	}
	failed := givenUp(v1alpha1.PostgresOperationStatus{StartedAt: at(*clock)}, thrice.Quarantine[0])
	if failed.verb != verbFail || !strings.Contains(failed.message, "what an instance has begun, it ends") {
		t.Errorf("begun: %+v", failed)
	}
}

func TestAnOperationThatFailsForTenMinutesIsGivenUpAndOneThatSucceedsBetweenIsNot(t *testing.T) {
	r, clock := kept()
	if before := attempted(r, clock, "o", 10, fails); len(before.Quarantine) > 0 || before.Failures[0].Count != 10 {
		t.Fatalf("after nine minutes: %+v", before)
	}
	if after := attempted(r, clock, "o", 1, fails); len(after.Quarantine) != 1 || after.Quarantine[0].Reason != reconcile.ReasonError {
		t.Errorf("after ten minutes: %+v", after)
	}
	attempted(r, clock, "p", 10, fails)
	attempted(r, clock, "p", 1, succeeds)
	if after := attempted(r, clock, "p", 5, fails); len(after.Quarantine) > 0 || after.Failures[0].Count != 5 {
		t.Errorf("after a success: %+v", after)
	}
}

func TestAnOperationThatFailsAgainAndAgainWaitsForRoomBehindAllOthers(t *testing.T) {
	r, clock := kept()
	r.offenders = reconcile.NewOffenders(1)
	if err := r.recalled.Do(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	request := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "o"}}
	r.know(request.NamespacedName, "o")
	attempted(r, clock, "o", 3, fails)
	_, _ = r.offenders.Work(ctrl.Request{}, true, func() (ctrl.Result, error) {
		// There is no API server here: whoever were worked on would fail.
		result, err := r.Reconcile(t.Context(), request)
		if err != nil || result.Priority == nil || *result.Priority != reconcile.LowPriority {
			t.Errorf("%+v, %v", result, err)
		}
		return result, err
	})
}

func TestWhatPassesIsNeverCounted(t *testing.T) {
	r, clock := kept()
	passing := func(context.Context, *attempt) error { return context.DeadlineExceeded }
	if after := attempted(r, clock, "o", 50, passing); len(after.Quarantine)+len(after.Failures) > 0 {
		t.Errorf("timeouts: %+v", after)
	}
}
