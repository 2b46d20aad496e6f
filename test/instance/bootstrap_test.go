//go:build integration

package instance

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

type x509Certificate = x509.Certificate

func TestTheMarkedInstanceCreatesTheSystemAndServes(t *testing.T) {
	w := newWorld(t, 1)
	w.createLease(true)
	first := w.start(1)
	first.configure()
	first.becomes(instanceapi.StateRunning)
	status := first.answers()
	if !status.Leader || !status.Ready {
		t.Errorf("it runs, but is not ready as leader: %+v", status)
	}
	nicer := fmt.Sprintf(`nice() { cut -d' ' -f19 /proc/$1/stat; }; [ "$(nice %d)" -gt "$(nice 1)" ]`, status.Postgres.PID)
	if err := first.inside("sh", "-c", nicer); err != nil {
		t.Errorf("whoever watches over the server is not asked first for the CPU: %v", err)
	}
	record := w.record()
	if record.Holder != "shop-1" || record.System != status.Volume.SystemIdentifier || record.Term != 1 || record.Timeline != 1 {
		t.Errorf("the Lease says %+v", record)
	}
	w.eventually("the leader is in both slices", func() bool {
		return w.serving(naming.PrimaryService(clusterName)) == "shop-1" && w.serving(naming.ReplicaService(clusterName)) == "shop-1"
	})
}

func TestASystemThatCannotBeCreatedIsToldToAPersonAndTriedOn(t *testing.T) {
	w := newWorld(t, 1)
	w.createLease(true)
	volume := filepath.Join(w.directory, naming.Instance(clusterName, 1), "data")
	w.check(os.MkdirAll(volume, 0o770))
	w.check(shell("mount -t tmpfs -o size=8m tmpfs " + volume))
	t.Cleanup(func() { w.check(shell("umount --lazy " + volume)) })
	first := w.start(1)
	first.configure()
	status := first.waitsFor(instanceapi.WaitInitialise)
	if !strings.Contains(status.Message, "No space left on device") || !strings.Contains(status.Message, "attempts failed, it is tried each") {
		t.Errorf("the message does not say what happened: %q", status.Message)
	}
	w.check(shell("mount -o remount,size=512m " + volume))
	first.becomes(instanceapi.StateRunning)
}
