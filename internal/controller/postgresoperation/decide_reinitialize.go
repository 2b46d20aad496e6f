package postgresoperation

import (
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// decideReinitialize asks once, and waits until the instance streams with another incarnation. How long a clone takes is
// nobody's to limit: the message tells what it does.
func decideReinitialize(f facts) step {
	item := &f.status.Instances[0]
	found := f.instances[item.Name]
	incarnation := found.Status.Volume.Incarnation
	switch {
	case f.standsIn(item.Name) && incarnation != "" && incarnation != item.Incarnation && !found.Status.Leader:
		item.State = v1alpha1.OperationInstanceDone
		return f.step(verbSucceed, v1alpha1.ReasonDone, "%s was cloned anew, and streams", item.Name)
	case found.Answers() && incarnation != item.Incarnation && found.Status.WaitReason == instanceapi.WaitFollow:
		return f.fail(v1alpha1.ReasonCannotFollow, "%s was to be cloned anew, and cannot follow: %s", item.Name, found.Status.Message)
	case f.late(f.status.RequestedAt, askedAgainAfter) && f.standsIn(item.Name) && incarnation == item.Incarnation:
		return f.ask(verbReinitialize, item.Name, "") // it went on with its data, since its leader was lost meanwhile
	case f.status.RequestedAt != nil:
		return f.wait("%s is cloned anew: it %s", item.Name, f.doing(item.Name))
	case f.late(f.status.StartedAt, askedWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s could not be asked within %s: it %s", item.Name, askedWithin, f.doing(item.Name))
	case !found.Answers():
		return f.wait("%s %s", item.Name, f.doing(item.Name))
	}
	return f.ask(verbReinitialize, item.Name, "")
}
