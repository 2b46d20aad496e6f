package postgrescluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/handover"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// stops tells whether a step stops an instance.
func (step rolloutStep) stops() bool {
	return step.verb == verbRestart || step.verb == verbReplace || step.verb == verbHandOver
}

// heir is the instance to which the leader could hand over: one that stays, and has all that is rolled out itself.
func (s *scope) heir(configuration instanceapi.Configuration) string {
	stay := s.names(s.members.run)
	for _, name := range handover.Candidates(s.observed.record, s.observed.instances) {
		status, pod := s.observed.instances[name].Status, s.observed.pods[name]
		if slices.Contains(stay, name) && pod != nil && pod.DeletionTimestamp.IsZero() &&
			status.ConfigurationRevision == configuration.Revision && len(status.Postgres.PendingRestart) == 0 {
			return name
		}
	}
	return ""
}

// lowers tells whether the configuration lowers, in the leader, a value that a standby may not set lower than its primary.
func (s *scope) lowers(configuration instanceapi.Configuration) bool {
	server := s.observed.instances[s.observed.record.Holder].Status.Postgres
	return server != nil && postgres.Lowered(server.StandbySensitive, postgres.DesiredStandbySensitive(configuration.Version, configuration.Parameters))
}

// handOver has the leader hand over before it is stopped, by the same request as a switchover. Its turn comes again when it is a standby.
// An instance manager that does not know how is stopped as it leads.
func (r *Reconciler) handOver(ctx context.Context, s *scope, step rolloutStep, configuration instanceapi.Configuration) error {
	if step.then == verbReplace {
		if err := r.mayReplace(ctx, s, step.instance); err != nil {
			return err
		}
	}
	asking, cancel := context.WithTimeout(ctx, configureWithin)
	defer cancel()
	_, err := s.observed.instances[step.instance].Client.Switchover(asking, instanceapi.SwitchoverRequest{To: step.heir})
	refused, isRefusal := instanceapi.Refused(err)
	switch {
	case instanceapi.Unknown(err) && step.then == verbReplace:
		return r.replacePod(ctx, s, step.instance)
	case instanceapi.Unknown(err):
		return r.restart(ctx, s, step.instance, configuration)
	case isRefusal && refused.Code == http.StatusConflict:
		// It may have begun, or nobody can take over just now: both show in instances' own status alone.
		return reconcile.Wait(soon, v1alpha1.ReasonRolling, "%s is to hand over to %s before it is stopped: %s", step.instance, step.heir, refused.Answer.Message)
	case err != nil:
		return fmt.Errorf("asking %s to hand over to %s: %w", step.instance, step.heir, err)
	}
	s.note(fmt.Sprintf("%s hands over to %s before it is stopped", step.instance, step.heir), v1alpha1.ReasonRolling)
	// Another holder of the Lease is an event; that it does not come is none.
	return reconcile.Wait(soon, v1alpha1.ReasonRolling, "%s hands over to %s before it is stopped", step.instance, step.heir)
}
