package postgrescluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// driftShown is how many fields that differ are in the status, leftAloneShown how many children that are left alone.
const driftShown, leftAloneShown = 100, 100

// resume finds out what a person has changed, before a cluster that is handed back is worked on again. Where that is only to be reported, it stays left alone.
func (r *Reconciler) resume(ctx context.Context, s *scope) error {
	if !s.steering.resumes {
		return nil
	}
	drift, err := r.findDrift(ctx, s)
	if err != nil {
		return fmt.Errorf("finding out what was changed while the cluster was left alone: %w", err)
	}
	s.drift, s.drifted = drift, true
	if s.cluster.Spec.ResumePolicy == contract.Report && len(drift) > 0 {
		s.steering = s.steering.heldBack(len(drift))
		return nil
	}
	s.note(handedBack(drift), v1alpha1.ReasonHandedBack)
	return nil
}

// findDrift of each child that can be written again from the spec alone. Keys, passwords and what instances write are not among them.
func (r *Reconciler) findDrift(ctx context.Context, s *scope) ([]contract.Drift, error) {
	var drift []contract.Drift
	for _, object := range r.appliedChildren(s) {
		found, err := r.applier().Drift(ctx, s.owner, object)
		var stalled *reconcile.StalledError
		if errors.As(err, &stalled) {
			continue // its name is taken by somebody else's: the phase that makes it says so
		}
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
	}
	for _, name := range s.names(s.members.run) {
		if s.observed.pods[name] == nil {
			drift = append(drift, contract.Drift{Kind: "Pod", Name: name, Wanted: "exists"})
		}
	}
	return slices.DeleteFunc(drift, func(d contract.Drift) bool {
		return management.LeftAlone(management.Resource{Group: groupOf(d.Kind), Kind: d.Kind, Namespace: s.cluster.Namespace, Name: d.Name}, s.observed.platform.Overrides) != ""
	}), nil
}

// groupOf the kinds of children.
func groupOf(kind string) string {
	switch kind {
	case "EndpointSlice":
		return "discovery.k8s.io"
	case "Lease":
		return "coordination.k8s.io"
	case "PodDisruptionBudget":
		return "policy"
	case "Role", "RoleBinding":
		return "rbac.authorization.k8s.io"
	}
	return ""
}

// appliedChildren are the objects that phases apply, as they would now.
func (r *Reconciler) appliedChildren(s *scope) []runtime.ApplyConfiguration {
	all := slices.Concat(networkObjects(s), permissionObjects(s), existingVolumes(s))
	if s.observed.lease != nil {
		all = append(all, desired.Lease(s.desired, nil))
	}
	if wanted := s.instancesWanted(); wanted > 1 {
		all = append(all, desired.DisruptionBudget(s.desired, wanted))
	}
	return all
}

// handedBack tells what was changed, and is put back.
func handedBack(drift []contract.Drift) string {
	if len(drift) == 0 {
		return "the cluster is handed back, and nothing differs from what Timonier would write"
	}
	var told []string
	for _, d := range drift {
		told = append(told, describeDrift(d))
	}
	return fmt.Sprintf("the cluster is handed back; %d fields differ and are put back: %s", len(drift), strings.Join(told, "; "))
}

func describeDrift(d contract.Drift) string {
	if d.Field == "" {
		return fmt.Sprintf("%s/%s is missing", d.Kind, d.Name)
	}
	return fmt.Sprintf("%s/%s %s: %s, wanted %s", d.Kind, d.Name, d.Field, orNothing(d.Found), orNothing(d.Wanted))
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}
