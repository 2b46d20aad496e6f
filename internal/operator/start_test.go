package operator

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

func TestAnOperatorThatWaitsForItsTurnFollowsItsSettingsToo(t *testing.T) {
	var follows manager.Runnable = always(nil)
	if asks, ok := follows.(manager.LeaderElectionRunnable); !ok || asks.NeedLeaderElection() {
		t.Error("they would be followed by the one that leads alone")
	}
}
