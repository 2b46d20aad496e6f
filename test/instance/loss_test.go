//go:build integration

package instance

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAnEmptyVolumeIsNeverInitialisedAgain(t *testing.T) {
	w := cluster(t, 1)
	system := w.record().System
	w.pods[1].kill()
	w.pods[1].loseVolume("data")
	w.pods[1].run()
	w.pods[1].becomes(instanceapi.StateWaiting)
	status := w.pods[1].waitsFor(instanceapi.WaitDataMissing)
	if !strings.Contains(status.Message, "Bring the volume back") {
		t.Errorf("the message names no remedy: %q", status.Message)
	}
	if after := w.record(); after.System != system || after.Holder != "shop-1" {
		t.Errorf("the Lease became %+v", after)
	}
}

func TestAHolderThatLostItsVolumeIsReplacedAndCloned(t *testing.T) {
	w := synchronous(t, 2)
	before := w.pods[1].answers().Volume.Incarnation
	w.pods[1].kill()
	w.pods[1].loseVolume("data")
	w.pods[1].run()
	w.pods[1].configure()
	w.pods[2].becomes(instanceapi.StateRunning)
	w.pods[2].must("INSERT INTO notes VALUES ('second')")
	w.pods[1].becomes(instanceapi.StateStreaming)
	w.pods[1].reads(notes, "first second")
	if after := w.pods[1].answers().Volume.Incarnation; after == "" || after == before {
		t.Errorf("the incarnation was %q, and is %q; want a new one", before, after)
	}
}

func TestAStandbyThatLostItsVolumeIsClonedAgain(t *testing.T) {
	w := cluster(t, 2)
	before := w.pods[2].answers().Volume.Incarnation
	w.pods[2].kill()
	w.pods[2].loseVolume("data")
	w.pods[2].run()
	w.pods[2].configure()
	w.pods[2].becomes(instanceapi.StateStreaming)
	w.pods[2].reads(notes, "first")
	if after := w.pods[2].answers().Volume.Incarnation; after == "" || after == before {
		t.Errorf("the incarnation was %q, and is %q; want a new one", before, after)
	}
}

func TestEveryVolumeLostMeansWaiting(t *testing.T) {
	w := cluster(t, 2)
	for _, n := range []int{2, 1} { // nobody is there to take over
		w.pods[n].kill()
		w.pods[n].loseVolume("data")
	}
	for _, p := range w.pods {
		p.run()
	}
	w.pods[1].waitsFor(instanceapi.WaitDataMissing)
	w.pods[2].becomes(instanceapi.StateCloning) // and never comes to an end: there is nobody to clone from
	if w.record().Holder != "shop-1" {
		t.Error("the Lease changed hands")
	}
}

func withWALVolume(w *world) { w.wal = true }

func TestALostWALVolumeOfAStandbyMeansCloningAgain(t *testing.T) {
	w := cluster(t, 2, withWALVolume)
	w.pods[2].kill()
	w.pods[2].loseVolume("wal")
	w.pods[2].run()
	w.pods[2].becomes(instanceapi.StateStreaming)
	w.pods[2].reads(notes, "first")
}

func TestALostWALVolumeOfTheHolderMeansMissingData(t *testing.T) {
	w := cluster(t, 1, withWALVolume) // with a member beside it that one would lead
	w.pods[1].kill()
	w.pods[1].loseVolume("wal")
	w.pods[1].run()
	w.pods[1].waitsFor(instanceapi.WaitDataMissing)
}

func TestAVolumeOfAnotherSystemIsNotTouched(t *testing.T) {
	w := cluster(t, 2)
	other := cluster(t, 1)
	other.pods[1].kill()
	w.pods[2].kill()
	w.check(shell("rm -rf " + w.pods[2].directory + "/data && cp -a " + other.pods[1].directory + "/data " + w.pods[2].directory + "/data"))
	w.pods[2].run()
	w.pods[2].waitsFor(instanceapi.WaitForeignSystem)
	if foreign := w.pods[2].status().Volume.SystemIdentifier; foreign == w.record().System {
		t.Errorf("its system is %s", foreign)
	}
}
