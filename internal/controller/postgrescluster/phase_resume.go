package postgrescluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// driftShown is how many fields that differ are in the status, leftAloneShown how many children that are left alone.
const driftShown, leftAloneShown = 100, 300

// A cluster, or a child of it, is handed back in two rounds. The first finds out what a person has changed, writes it to the status with a mark (Told), tells it as an
// event, and does nothing else. A later round, which reads the mark, puts it back; so it is told though the operator ends in between, and told once though its cache is
// behind. With resumePolicy Report what differs stays as it is: the cluster as a whole, or the children that were handed back.

// resume what is handed back. Where this round is to do no more than to tell what differs, the scope says so.
func (r *Reconciler) resume(ctx context.Context, s *scope) error {
	s.guarded = map[management.Resource]string{}
	for _, name := range s.leftAlone {
		s.guarded[s.child(name)] = "spec.overrides of the Platform"
	}
	r.Held.Set(s.cluster.UID, s.guarded)
	if s.steering.reason == v1alpha1.ReasonOperatorNewer {
		// It is as it was left by the other operator, for as long as that is so.
		s.told, s.held = s.cluster.Status.Management.Told, s.heldBefore()
		return nil
	}
	handed := s.handedBack()
	if handed == nil {
		return nil
	}
	told := handed.covers(s.cluster.Status.Management.Told)
	if told && !s.reportsOnly() {
		return nil
	}
	drift, err := r.findDrift(ctx, s, handed.Children)
	if err != nil {
		return fmt.Errorf("finding out what was changed while it was left alone: %w", err)
	}
	s.drift, s.drifted, s.told, s.tells = drift, true, &handed.ToldDrift, !told
	if told {
		r.holdBack(s)
	}
	return nil
}

// reportsOnly: what differs is not to be put back.
func (s *scope) reportsOnly() bool { return s.cluster.Spec.ResumePolicy == contract.Report }

// returning is what is handed back.
type returning struct{ v1alpha1.ToldDrift }

// handedBack is what is left alone by the status, and no more by what the spec and the Platform say now; nil for nothing.
func (s *scope) handedBack() *returning {
	handed := &returning{v1alpha1.ToldDrift{Generation: s.cluster.Generation}}
	if s.steering.resumes {
		return handed
	}
	if s.steering.state != contract.Managed {
		return nil
	}
	present := s.children()
	for _, name := range s.cluster.Status.Management.LeftAlone {
		if !slices.Contains(s.leftAlone, name) && slices.Contains(present, s.child(name)) {
			handed.Children = append(handed.Children, name)
		}
	}
	if len(handed.Children) == 0 {
		return nil
	}
	return handed
}

// covers tells whether all of it was told already, by the same spec.
func (h *returning) covers(told *v1alpha1.ToldDrift) bool {
	if told == nil || told.Generation != h.Generation || (len(told.Children) == 0) != (len(h.Children) == 0) {
		return false
	}
	return !slices.ContainsFunc(h.Children, func(name string) bool { return !slices.Contains(told.Children, name) })
}

// holdBack what differs, once that was told; what does not differ any more is managed from now on.
func (r *Reconciler) holdBack(s *scope) {
	switch {
	case len(s.drift) == 0:
		s.told = nil
	case len(s.told.Children) == 0:
		s.steering = s.steering.heldBack(len(s.drift))
		s.members = decideMembers(s.membershipFacts()) // as many as before
	default:
		for _, name := range s.told.Children {
			if slices.ContainsFunc(s.drift, func(d contract.Drift) bool { return d.Kind+"/"+d.Name == name }) {
				s.held = append(s.held, name)
				s.guarded[s.child(name)] = "spec.resumePolicy"
			}
		}
		r.Held.Set(s.cluster.UID, s.guarded)
		s.steering = s.steering.partlyHeldBack(s.held, len(s.drift))
	}
}

// handedBack tells of the cluster, or of these children, what was changed and what comes of it.
func handedBack(children []string, drift []contract.Drift, reportsOnly bool) string {
	what := "the cluster is handed back"
	if len(children) > 0 {
		what = strings.Join(children, ", ") + " handed back"
	}
	if len(drift) == 0 {
		return what + ", and nothing differs from what Timonier would write"
	}
	var told []string
	for _, d := range drift {
		told = append(told, reconcile.Describe(d))
	}
	follows := "Timonier puts back what it keeps"
	if reportsOnly {
		follows = "nothing is done, as spec.resumePolicy Report asks"
	}
	return fmt.Sprintf("%s; %d fields differ, and %s: %s", what, len(drift), follows, strings.Join(told, "; "))
}
