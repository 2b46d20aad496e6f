package postgrescluster

import (
	"fmt"
	"strings"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// steeringFacts are what it is decided from who steers the cluster.
type steeringFacts struct {
	resource management.Resource
	spec     v1alpha1.PostgresClusterSpec
	platform management.Platform
	// former state, as the status says it, and by what; "" for a cluster that was never looked at.
	former   contract.ManagementState
	formerBy string
	// last operator that managed it, and this one; before is the one that did when what is left alone still was not this one's, "" where that is not known.
	last, version, before string
	// leftAlone are children that an override names, held those that were handed back to be reported alone.
	leftAlone, held []string
}

// Fields of its own spec by which a cluster is left alone.
const bySpec, byResumePolicy = "spec.managementState", "spec.resumePolicy"

// steering is who steers the cluster, and what follows from that.
type steering struct {
	// state in force: what is done. by is where it was said, reason and message are for the condition Managed.
	state           contract.ManagementState
	by              string
	reason, message string
	// resumes: it was left alone, and is handed back now. What differs is to be found out, and told, before anything is done.
	resumes bool
	// pending: it is to be removed, and that is not confirmed.
	pending bool
	// takenOverFrom is the version of another operator that managed what is left alone, "" where nothing is, or it was this one.
	takenOverFrom string
}

// decideSteering says who steers the cluster. What is left alone, in whole or in part, is not taken over by an operator of a newer minor or major version:
// that would be an upgrade of what nobody has looked after.
func decideSteering(f steeringFacts) steering {
	decision := management.Decide(f.resource, f.spec.ManagementState, f.platform, contract.Removed)
	pending := decision.State == contract.Removed && f.spec.RemovalConfirmation != f.resource.Name
	if pending {
		// Until it is confirmed nothing changes: what its own spec has left alone is so still. What the Platform says is asked anew each time.
		by := decision.By
		decision.State, decision.By = contract.Managed, ""
		if f.former == contract.Unmanaged && (f.formerBy == bySpec || f.formerBy == byResumePolicy) {
			decision.State, decision.By = contract.Unmanaged, by
		}
	}
	takeover := management.TakesOver
	if decision.State == contract.Unmanaged || len(f.leftAlone)+len(f.held) > 0 {
		takeover = management.DecideTakeover(f.last, f.version)
	}
	s := steering{state: decision.State, by: decision.By, reason: v1alpha1.ReasonManaged, message: "Timonier steers the cluster", pending: pending}
	switch {
	case takeover == management.Refuses:
		by := decision.By
		switch {
		case by != "":
		case len(f.leftAlone) > 0:
			by = "spec.overrides of the Platform, for " + f.leftAlone[0]
		default:
			by = "spec.resumePolicy, for " + f.held[0]
		}
		s.state, s.by, s.reason = contract.Unmanaged, by, v1alpha1.ReasonOperatorNewer
		s.message = management.Explain(f.resource, by, f.last, f.version)
	case decision.State == contract.Unmanaged:
		s.reason = v1alpha1.ReasonUnmanaged
		s.message = "hands off, by " + decision.By + ": nothing that belongs to the cluster is created, changed or deleted, and what is changed in the spec is not answered. Instances go on failing over by themselves"
		if decision.Refused != "" {
			s.message = decision.Refused + "; the cluster is left alone"
		}
	case decision.State == contract.Removed:
		s.reason, s.message = v1alpha1.ReasonRemoved, "taken away, by "+decision.By
	case len(f.leftAlone) > 0:
		s.message = fmt.Sprintf("Timonier steers the cluster, but for %s, by spec.overrides of the Platform", someOf(f.leftAlone))
	}
	if s.takenOverFrom = f.takenOverFrom(takeover, s.state); s.takenOverFrom != "" {
		s.message += fmt.Sprintf(". What is left alone was managed last by version %s of the operator, and this is %s", s.takenOverFrom, f.version)
	}
	s.resumes = s.state == contract.Managed && f.former == contract.Unmanaged
	return s
}

// someOf these names, for people.
func someOf(names []string) string {
	const named = 5
	if more := len(names) - named; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:named], ", "), more)
	}
	return strings.Join(names, ", ")
}

// takenOverFrom is the version that is warned of. For as long as something is left alone that version goes on counting, though this one manages the rest.
func (f steeringFacts) takenOverFrom(takeover management.Takeover, state contract.ManagementState) string {
	switch {
	case takeover == management.Warns && f.before != "":
		return f.before
	case takeover == management.Warns:
		return f.last
	case takeover == management.Refuses, state != contract.Unmanaged && len(f.leftAlone)+len(f.held) == 0, f.before == f.version:
		return ""
	}
	return f.before
}

// heldBack says that a cluster that was handed back stays as it is, since what differs was found and is only to be reported.
func (s steering) heldBack(fields int) steering {
	s.state, s.by, s.reason = contract.Unmanaged, byResumePolicy, v1alpha1.ReasonDriftReported
	s.message = fmt.Sprintf("handed back, and %d fields differ from what Timonier would write: see status.management.drift, or `kubectl timonier drift`. Nothing is done, as spec.resumePolicy Report asks; "+
		"set it to Enforce to have them put back", fields)
	return s
}

// partlyHeldBack says that children that were handed back stay as they are, the rest being managed.
func (s steering) partlyHeldBack(held []string, fields int) steering {
	s.reason = v1alpha1.ReasonDriftReported
	s.message += fmt.Sprintf("; but %s: handed back, and %d fields differ from what Timonier would write (status.management.drift, or `kubectl timonier drift`). They stay so, as spec.resumePolicy Report asks; "+
		"set it to Enforce to have them put back", strings.Join(held, ", "), fields)
	return s
}
