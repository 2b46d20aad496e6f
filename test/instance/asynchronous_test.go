//go:build integration

package instance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Where a commit waits for nobody: the lease's clock decides, and how much a successor may lack.
func TestAnAsynchronousLeaderIsSucceededAfterItsLeaseByTheMostAdvancedAndByNobodyThatLacksTooMuch(t *testing.T) {
	maxLag := int64(16 << 20)
	w := cluster(t, 3, func(w *world) {
		w.asked = func(a *instanceapi.Availability) {
			a.Mode, a.MaxLagBytes, a.LeaseDurationSeconds = instanceapi.ModeAsynchronous, maxLag, 6
			a.FailureDetectionSeconds = 30 // one that is held back stays a member for as long
		}
	})
	w.eventually("all three are members, each of which may take the Lease", func() bool {
		q := w.record().Quorum
		return q.Mode == election.ModeAsynchronous && len(q.Members) == 3
	})
	leader, heir, behind := w.pods[1], w.pods[2], w.pods[3]
	leader.holdBack(behind)
	leader.must("INSERT INTO notes VALUES ('second')")
	heir.reads(notes, "first second")
	revision := w.record().Revision
	w.eventually("the Lease is renewed, which gives those that vote a whole lease to hear each other", func() bool { return w.record().Revision > revision })
	renewed := w.lease().Spec.RenewTime.Time
	leader.kill()
	if successor := w.successor(leader); successor != heir {
		t.Fatalf("%q leads, and has less than %s", successor.name, heir.name)
	}
	lease := time.Duration(w.availability().LeaseDurationSeconds) * time.Second
	if waited := w.lease().Spec.AcquireTime.Sub(renewed); waited < lease {
		t.Errorf("the Lease was taken %s after it was renewed for %s", waited, lease)
	}
	heir.becomes(instanceapi.StateRunning)
	heir.must("INSERT INTO notes VALUES ('third')")
	behind.reads(notes, "first second third")
	// Until then walsenders are ended, for others to come that know of it.
	w.eventually("it leads two, itself included", func() bool { return len(w.record().Quorum.Members) == 2 })

	maxLag = 1 << 20
	behind.configure()
	heir.writesWithout(behind)
	heir.kill()
	before := w.record()
	w.eventually("the one that is left says why it does not lead", func() bool {
		return strings.Contains(behind.status().Message, fmt.Sprintf("spec.availability.maxLag allows %d", maxLag))
	})
	if after := w.record(); after.Revision != before.Revision || after.Holder != heir.name {
		t.Errorf("the Lease said %+v, and says %+v", before, after)
	}
	behind.logs("spec.availability.maxLag allows")
	heir.run() // what that message says first, and nothing is lost
	for _, p := range []*pod{heir, behind} {
		p.reads("SELECT count(*) FROM filler", "3000")
	}
	if after := w.record(); after.Holder != heir.name || after.Term != before.Term {
		t.Errorf("%s leads in term %d", after.Holder, after.Term)
	}
}

// What such a primary has that nobody else has is lost with its volume, or comes back with it too late: within maxLag, that was accepted.
func TestAnAsynchronousPrimaryWhoseVolumeStallsIsSucceededAfterItsLease(t *testing.T) {
	w := cluster(t, 2, func(w *world) {
		w.asked = func(a *instanceapi.Availability) {
			a.Mode, a.MaxLagBytes, a.LeaseDurationSeconds = instanceapi.ModeAsynchronous, 1<<20, 6
		}
	})
	w.eventually("both are members", func() bool {
		q := w.record().Quorum
		return q.Mode == election.ModeAsynchronous && len(q.Members) == 2
	})
	former := w.named(w.record().Holder)
	former.must("INSERT INTO notes VALUES ('second')")
	goesOn := former.stalls("data")
	former.measures(`fencing_stops_total{rule="`+metrics.StalledWritePath+`"}`, 1)
	w.eventually("the other one leads", func() bool { return w.record().Holder == w.other(former).name })
	w.other(former).becomes(instanceapi.StateRunning)
	w.other(former).must("INSERT INTO notes VALUES ('third')")
	goesOn()
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second third")
}

// lease as it is, with what a record does not tell.
func (w *world) lease() *coordinationv1.Lease {
	w.t.Helper()
	lease, err := env.api.kubernetes.CoordinationV1().Leases(w.namespace).Get(w.ctx, naming.Lease(clusterName), metav1.GetOptions{})
	w.check(err)
	return lease
}

// holdBack stops this leader's walsender of a standby, which is sent nothing any more, and to which everything else seems well.
func (p *pod) holdBack(standby *pod) {
	p.w.t.Helper()
	script := fmt.Sprintf(`none=1; for p in /proc/[0-9]*; do if grep -q 'wal[s]ender.* %s(' "$p/cmdline"; then kill -STOP "${p#/proc/}" && none=0; fi; done; exit $none`,
		p.w.address(standby.ordinal))
	p.w.eventually(p.name+" sends nothing to "+standby.name, func() bool { return p.inside("sh", "-c", script) == nil })
}

// writesWithout a standby three thousand rows of a kilobyte each, and publishes how far that is.
func (p *pod) writesWithout(standby *pod) {
	p.w.t.Helper()
	p.holdBack(standby)
	p.must("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
	end, err := postgres.ParseLSN(p.must("SELECT pg_current_wal_flush_lsn()::text"))
	p.w.check(err)
	p.w.eventually("the Lease tells how far that is", func() bool {
		published, err := postgres.ParseLSN(p.w.record().Position)
		return err == nil && published >= end
	})
}
