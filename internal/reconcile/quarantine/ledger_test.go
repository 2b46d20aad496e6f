package quarantine

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

const uid types.UID = "0b5e"

func failing(count int32) contract.FailureStatus {
	return contract.FailureStatus{Failures: []contract.Failure{{Phase: "network", Reason: "Forbidden", Count: count}}}
}

func TestCountsAreRememberedBetweenTwoWritesAndWrittenOnceAMinute(t *testing.T) {
	ledger := &Ledger{}
	ledger.Written(uid, failing(1), began)
	ledger.Keep(uid, failing(2))
	if got := ledger.Of(uid, failing(1)); got.Failures[0].Count != 2 {
		t.Errorf("the cache goes before what is remembered: %+v", got)
	}
	if ledger.WorthWriting(uid, failing(1), failing(2), began.Add(59*time.Second)) {
		t.Error("a count was written before a minute was over")
	}
	if !ledger.WorthWriting(uid, failing(1), failing(2), began.Add(time.Minute)) {
		t.Error("a count was not written although a minute was over")
	}
	if ledger.WorthWriting(uid, failing(2), failing(2), began.Add(time.Hour)) {
		t.Error("what the status says already is written again")
	}
}

func TestAnOperatorThatTakesOverWritesNoCountWithinTheMinuteOfTheOneBefore(t *testing.T) {
	ledger, has, known := &Ledger{}, failing(4), failing(7)
	has.Failures[0].Last = stamp(began)
	ledger.Keep(uid, known)
	if ledger.WorthWriting(uid, has, known, began.Add(59*time.Second)) {
		t.Error("a count was written before a minute was over")
	}
	if !ledger.WorthWriting(uid, has, known, began.Add(time.Minute)) {
		t.Error("a count was not written although a minute was over")
	}
}

func TestWhatIsNewsIsWrittenAtOnce(t *testing.T) {
	ledger := &Ledger{}
	ledger.Written(uid, failing(9), began)
	entered := contract.FailureStatus{Quarantine: []contract.Quarantine{{Phase: "network", Count: 10}}}
	trying := contract.FailureStatus{Quarantine: []contract.Quarantine{{Phase: "network", Count: 10, Trying: true}}}
	released := contract.FailureStatus{Failures: failing(9).Failures, Released: "today"}
	for name, news := range map[string][2]contract.FailureStatus{
		"it came into quarantine": {failing(9), entered}, "it is tried again": {entered, trying}, "it is over": {trying, {}}, "a release is echoed": {failing(9), released},
	} {
		if !ledger.WorthWriting(uid, news[0], news[1], began) {
			t.Errorf("%s: not written", name)
		}
	}
}

// What a cache that is behind says of what is over would be remembered for ever.
func TestThatNothingFailsAnyMoreIsRememberedUntilTheStatusSaysSo(t *testing.T) {
	ledger := &Ledger{}
	ledger.Keep(uid, failing(3))
	ledger.Keep(uid, contract.FailureStatus{})
	ledger.Written(uid, contract.FailureStatus{}, began)
	if got := ledger.Of(uid, failing(3)); len(got.Failures) != 0 {
		t.Errorf("the cache is behind, and was believed: %+v", got)
	}
	if got := ledger.Of(uid, contract.FailureStatus{}); len(got.Failures) != 0 || len(ledger.objects) != 0 {
		t.Errorf("%+v; %d objects are remembered", got, len(ledger.objects))
	}
	if got := ledger.Of(uid, failing(4)); got.Failures[0].Count != 4 {
		t.Errorf("nothing is remembered, and the status says %+v", got)
	}
}

func TestWhatWasRecalledIsKnownUntilTheStatusIsRead(t *testing.T) {
	var l Ledger
	stale := contract.FailureStatus{Quarantine: []contract.Quarantine{{Phase: "network"}}}
	l.Recall("u", stale)
	if len(l.Peek("u").Quarantine) != 1 {
		t.Error("it was recalled, and nothing is known")
	}
	if read := l.Of("u", contract.FailureStatus{}); len(read.Quarantine) != 0 {
		t.Errorf("the status says that it is over, and it counts as %+v", read)
	}
	l.Keep("u", contract.FailureStatus{Failures: []contract.Failure{{Phase: "access"}}})
	l.Recall("u", stale)
	if known := l.Of("u", stale); len(known.Failures) != 1 || len(known.Quarantine) != 0 {
		t.Errorf("what is newer was forgotten: %+v", known)
	}
}

func TestAnObjectThatNeverFailedCostsNothing(t *testing.T) {
	ledger := &Ledger{}
	ledger.Keep(uid, contract.FailureStatus{})
	ledger.Written(uid, contract.FailureStatus{Released: "today"}, began)
	ledger.Keep("other", failing(1))
	ledger.Forget("other")
	if len(ledger.objects) != 0 {
		t.Errorf("%d objects are remembered", len(ledger.objects))
	}
}
