//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
)

func TestTheModeOfReplicationChangesWhileApplicationsWrite(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("moded")
	c.waitReady()
	before := c.processes()
	w := c.underLoad()
	c.mustReplicate(v1alpha1.ModeQuorum, 2, metav1.ConditionTrue, v1alpha1.ReasonMet)

	c.edit(func(s *spec) { s.Availability.Mode = v1alpha1.ModeAsynchronous })
	c.mustReplicate(v1alpha1.ModeAsynchronous, 1, metav1.ConditionFalse, v1alpha1.ReasonAsynchronous)
	w.goesOn()

	c.edit(func(s *spec) { s.Availability.Mode = v1alpha1.ModeQuorum })
	c.mustReplicate(v1alpha1.ModeQuorum, 2, metav1.ConditionTrue, v1alpha1.ReasonMet)
	c.waitReady()
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
}

// mustReplicate waits until the Lease publishes a mode and how many members a commit is on, with all three as members, PostgreSQL waits for as many,
// and the condition Synchronous says so.
func (c *cluster) mustReplicate(mode v1alpha1.ReplicationMode, required int32, status metav1.ConditionStatus, reason string) {
	c.t.Helper()
	eventually(c.t, saidWithin, fmt.Sprintf("replication is %s, a commit is on %d", mode, required), func() error {
		found, err := c.get()
		if err != nil {
			return err
		}
		synchronous := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionSynchronous)
		if synchronous == nil || synchronous.Status != status || synchronous.Reason != reason || synchronous.ObservedGeneration != found.Generation {
			return fmt.Errorf("the conditions are %s", told(found.Status.Conditions))
		}
		quorum := found.Status.Availability.Quorum
		if quorum.Mode != mode || quorum.Required != required || len(quorum.Members) != 3 {
			return fmt.Errorf("the status tells of %+v", *quorum)
		}
		lease := c.lease()
		record, err := election.Decode(election.Fields{Annotations: lease.Annotations, HolderIdentity: *lease.Spec.HolderIdentity,
			LeaseTransitions: int64(*lease.Spec.LeaseTransitions), LeaseDurationSeconds: int64(*lease.Spec.LeaseDurationSeconds), RenewTime: lease.Spec.RenewTime.Time})
		if err != nil {
			return err
		}
		if string(record.Quorum.Mode) != string(mode) || record.Quorum.Required != int(required) {
			return fmt.Errorf("the Lease publishes %+v", record.Quorum)
		}
		waits := c.mustSuperuser(c.primary(), "postgres", "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('quorum', 'sync')") != "0"
		if waits != (required > 1) {
			return fmt.Errorf("a commit waits for standbys: %t", waits)
		}
		return nil
	})
}
