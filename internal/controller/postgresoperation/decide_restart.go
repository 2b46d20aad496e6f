package postgresoperation

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/handover"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// decideRestart takes one instance after the other, in the order of the plan. One that leads when its turn comes hands over
// first, which restarts it: it comes back as a standby.
func decideRestart(f facts) step {
	turn := slices.IndexFunc(f.status.Instances, func(i v1alpha1.OperationInstance) bool { return i.State != v1alpha1.OperationInstanceDone })
	if turn < 0 {
		// The last one to restart may have led: the others have a new leader since.
		if other, does := f.notServing(""); other != "" && !f.late(f.status.Instances[len(f.status.Instances)-1].Since, serveWithin) {
			return f.wait("restarted; %s %s", other, does)
		}
		return f.step(verbSucceed, v1alpha1.ReasonDone, "restarted, and serving again: %s", f.named())
	}
	item := &f.status.Instances[turn]
	if f.late(item.Since, serveWithin) {
		return f.fail(v1alpha1.ReasonTimedOut, "%s is not done after %s in the state %s: it %s", item.Name, serveWithin, item.State, f.doing(item.Name))
	}
	switch item.State {
	case v1alpha1.OperationInstancePending:
		return f.beginRestart(item)
	case v1alpha1.OperationInstanceHandingOver:
		return f.handOverBeforeRestart(item)
	case v1alpha1.OperationInstanceRestarting, v1alpha1.OperationInstanceCloning, v1alpha1.OperationInstanceDone:
	}
	return f.restartInPlace(item)
}

// beginRestart of an instance whose turn has come, once all others serve.
func (f facts) beginRestart(item *v1alpha1.OperationInstance) step {
	if other, does := f.notServing(item.Name); other != "" {
		return f.wait("%s is next, when %s serves: it %s", item.Name, other, does)
	}
	found := f.instances[item.Name]
	if !found.Answers() || found.Status.Postgres == nil {
		return f.wait("%s is next, and %s", item.Name, f.doing(item.Name))
	}
	item.PostgresStartedAt = micro(metav1.Time{Time: found.Status.Postgres.StartedAt.Truncate(time.Microsecond)})
	if f.leader() == item.Name && len(handover.Candidates(f.record, f.instances)) > 0 {
		f.status.From = &v1alpha1.OperationLeader{Instance: item.Name, Term: f.record.Term}
		return f.enter(item, v1alpha1.OperationInstanceHandingOver)
	}
	return f.enter(item, v1alpha1.OperationInstanceRestarting)
}

// enter a state of an instance; nothing was asked of it in this state yet.
func (f facts) enter(item *v1alpha1.OperationInstance, state v1alpha1.OperationInstanceState) step {
	item.State, item.Since, f.status.RequestedAt = state, at(f.now), nil
	return f.step(verbRemember, f.running(), "%s: %s", item.Name, state)
}

func (f facts) handOverBeforeRestart(item *v1alpha1.OperationInstance) step {
	switch {
	case f.over():
		f.status.To = &v1alpha1.OperationLeader{Instance: f.record.Holder, Term: f.record.Term}
		return f.enter(item, v1alpha1.OperationInstanceRestarting)
	case f.late(f.status.RequestedAt, handoverWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s has not handed over within %s, and nothing is lost: it %s", item.Name, handoverWithin, f.doing(item.Name))
	case f.status.RequestedAt != nil:
		return f.wait("%s hands over before it is restarted", item.Name)
	}
	candidates := handover.Candidates(f.record, f.instances)
	if f.leader() != item.Name || len(candidates) == 0 {
		return f.wait("%s is to hand over before it is restarted, and no standby could take over now", item.Name)
	}
	return f.ask(verbSwitchover, item.Name, candidates[0])
}

func (f facts) restartInPlace(item *v1alpha1.OperationInstance) step {
	found := f.instances[item.Name]
	restarted := found.Answers() && hasRestarted(found, item.PostgresStartedAt)
	switch {
	case restarted && f.standsIn(item.Name):
		return f.enter(item, v1alpha1.OperationInstanceDone)
	case f.status.RequestedAt == nil && !restarted && atRest(found):
		return f.ask(verbRestart, item.Name, "")
	}
	return f.wait("%s restarts: it %s", item.Name, f.doing(item.Name))
}

// atRest tells whether its PostgreSQL runs and is not about to stop.
func atRest(found contact.Instance) bool {
	if !found.Answers() || found.Status.Postgres == nil {
		return false
	}
	switch found.Status.State {
	case instanceapi.StateRunning, instanceapi.StateStreaming, instanceapi.StateFollowing:
		return true
	default:
		return false
	}
}

// hasRestarted tells whether its PostgreSQL was started at another time than before.
func hasRestarted(found contact.Instance, before *metav1.MicroTime) bool {
	server := found.Status.Postgres
	return server != nil && before != nil && !server.StartedAt.Truncate(time.Microsecond).Equal(before.Time)
}

// named are the instances of the operation, for people.
func (f facts) named() string {
	names := make([]string, len(f.status.Instances))
	for i, item := range f.status.Instances {
		names[i] = item.Name
	}
	return strings.Join(names, ", ")
}
