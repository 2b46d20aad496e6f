package postgresoperation

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/handover"
	"github.com/timonier-io/timonier/internal/election"
)

const (
	// soon is when to look again at what instances do by themselves: nothing tells of it.
	soon = time.Second
	// unmanagedAgain is when to look again whether a cluster that is left alone is managed, or has replaced its authorities: nothing here tells of it.
	unmanagedAgain = 15 * time.Second
	// admittedWithin is how long a cluster may be in the middle of something else that ends by itself, as where standbys connect anew.
	admittedWithin = 5 * time.Second
	// askedWithin is how long an instance may be too busy to take a request, or silent.
	askedWithin = 3 * time.Minute
	// handoverWithin is when a leader that has taken a request and still leads has given it up: it does so by itself after ten seconds.
	handoverWithin = 30 * time.Second
	// askedAgainAfter is when an instance that serves as before has forgotten what it was asked.
	askedAgainAfter = 30 * time.Second
	// promotionWithin is when an instance that was to take the Lease has given it up: it does so after thirty seconds.
	promotionWithin = time.Minute
	// serveWithin is how long an instance may take to be ready for its turn, to restart, and to stream again.
	serveWithin = 10 * time.Minute
)

// facts are all that is decided from.
type facts struct {
	uid    string
	spec   v1alpha1.PostgresOperationSpec
	status v1alpha1.PostgresOperationStatus
	now    time.Time
	// cluster is nil where there is none, or one that goes.
	cluster *clusterFacts
	// record of the Lease, zero where it cannot be read; instances by name, those that have a pod.
	record    election.Record
	instances map[string]contact.Instance
	// leftAlone are instances whose pod or volume is left alone, each with what that is and by what.
	leftAlone map[string]string
	// rival is another operation on the cluster that runs, or that was asked for before; "" for none.
	rival string
}

// clusterFacts are what counts of the PostgresCluster.
type clusterFacts struct {
	uid string
	// wanted is the number of instances, 0 while it hibernates.
	wanted int
	// names of the instances that there are, or are to be.
	names      []string
	durability v1alpha1.Durability
	// term as it was last reported.
	term int64
	// unmanaged is by what the cluster is left alone, "" where it is managed; removed tells that it is taken away.
	unmanaged string
	removed   bool
	// renewedBy is the UID of the last operation by which its certificates were issued anew, and certificatesLeftAlone are the Secrets that were not written then.
	renewedBy             string
	certificatesLeftAlone []string
	// rotating are its authorities that are being replaced.
	rotating []string
}

// verb is what a step does.
type verb string

const (
	verbRefuse verb = "refuse"
	verbAccept verb = "accept"
	// verbPostpone what would be refused now, and may not be in a moment.
	verbPostpone verb = "postpone"
	verbSucceed  verb = "succeed"
	verbFail     verb = "fail"
	// verbWait for what instances do.
	verbWait verb = "wait"
	// verbRemember what the next step needs, before it is taken.
	verbRemember verb = "remember"
	// The others ask an instance.
	verbSwitchover   verb = "switchover"
	verbRestart      verb = "restart"
	verbReinitialize verb = "reinitialize"
	verbPromote      verb = "promote"
)

// step is the next thing to do.
type step struct {
	verb verb
	// instance that is asked, and to whom it is to hand over.
	instance, to string
	// reason and message of the conditions.
	reason, message string
	// after which time to look again; zero for soon.
	after time.Duration
	// status to remember.
	status v1alpha1.PostgresOperationStatus
}

// decide the next step of an operation that has not ended. It holds no state: the same facts give the same step.
func decide(f facts) step {
	f.status = *f.status.DeepCopy()
	if f.status.StartedAt == nil {
		return admit(f)
	}
	switch {
	case f.cluster == nil || f.cluster.uid != f.status.ClusterUID:
		return f.fail(v1alpha1.ReasonUnknownCluster, "the cluster %s was deleted meanwhile", f.spec.ClusterRef.Name)
	case f.cluster.removed:
		return f.fail(v1alpha1.ReasonRemoved, "the cluster %s was taken away meanwhile", f.spec.ClusterRef.Name)
	case f.spec.Type == v1alpha1.OperationRenewCertificates:
		return decideRenewal(f)
	case f.cluster.unmanaged != "":
		return f.handsOff("what was begun goes on when it is managed again")
	case f.leftAloneMeanwhile() != "":
		return f.fail(v1alpha1.ReasonHandsOff, "%s. What an instance has begun, it ends", f.leftAloneMeanwhile())
	case f.cluster.wanted == 0:
		return f.fail(v1alpha1.ReasonHibernated, "the cluster %s was hibernated meanwhile", f.spec.ClusterRef.Name)
	case f.hasWaited(v1alpha1.ConditionRunning):
		return f.resume()
	}
	switch f.spec.Type {
	case v1alpha1.OperationSwitchover:
		return decideSwitchover(f)
	case v1alpha1.OperationRestart:
		return decideRestart(f)
	case v1alpha1.OperationReinitialize:
		return decideReinitialize(f)
	case v1alpha1.OperationForcePromotion:
		return decidePromotion(f)
	case v1alpha1.OperationRenewCertificates: // has been decided
	}
	return f.fail(v1alpha1.ReasonNotSupported, "this operator does not know the type %s", f.spec.Type)
}

func (f facts) step(v verb, reason, format string, args ...any) step {
	return step{verb: v, reason: reason, message: fmt.Sprintf(format, args...), status: f.status}
}

func (f facts) fail(reason, format string, args ...any) step {
	return f.step(verbFail, reason, format, args...)
}

func (f facts) wait(format string, args ...any) step {
	return f.step(verbWait, f.running(), format, args...)
}

// ask an instance, with the message for as long as it has not answered.
func (f facts) ask(v verb, instance, to string) step {
	asked := f.step(v, f.running(), "%s is asked", instance)
	asked.instance, asked.to = instance, to
	return asked
}

// running is the reason of the condition Running.
func (f facts) running() string {
	switch f.spec.Type {
	case v1alpha1.OperationSwitchover:
		return v1alpha1.ReasonHandingOver
	case v1alpha1.OperationRestart:
		return v1alpha1.ReasonRestarting
	case v1alpha1.OperationReinitialize:
		return v1alpha1.ReasonReinitializing
	case v1alpha1.OperationForcePromotion:
		return v1alpha1.ReasonPromoting
	case v1alpha1.OperationRenewCertificates:
		return v1alpha1.ReasonRenewing
	}
	return v1alpha1.ReasonAccepted
}

// target is the instance that the operation names, "" where it names none.
func (f facts) target() string {
	switch {
	case f.spec.Switchover != nil:
		return f.spec.Switchover.To
	case f.spec.Restart != nil:
		return f.spec.Restart.Instance
	case f.spec.Reinitialize != nil:
		return f.spec.Reinitialize.Instance
	case f.spec.ForcePromotion != nil:
		return f.spec.ForcePromotion.Instance
	}
	return ""
}

func (f facts) leader() string { return contact.Leader(f.record, f.instances) }

// over tells whether another term than that in which the operation, or its present step, began has come.
func (f facts) over() bool { return f.status.From != nil && f.record.Term > f.status.From.Term }

// late tells whether more than this has passed since. What passed before it went on, once the cluster was handed back, does not count.
func (f facts) late(since *metav1.Time, allowed time.Duration) bool {
	if since == nil {
		return false
	}
	if resumed := f.status.ResumedAt; resumed != nil && since.Before(resumed) {
		since = resumed
	}
	return f.now.Sub(since.Time) > allowed
}

// standsIn tells whether another instance can be stopped beside this one.
func (f facts) standsIn(name string) bool {
	return handover.StandsIn(f.record, f.instances[name], name)
}

// notServing is an instance other than this one that does not serve, and what it does; "" where all do.
func (f facts) notServing(except string) (name, does string) {
	for _, name := range slices.Sorted(slices.Values(f.cluster.names)) {
		switch {
		case name == except || f.standsIn(name):
		case handover.Serves(f.instances[name]):
			return name, fmt.Sprintf("is not among the members that %s has published (%v)", orNobody(f.record.Holder), f.record.MemberNames())
		default:
			return name, f.doing(name)
		}
	}
	return "", ""
}

// doing tells what an instance does, for people.
func (f facts) doing(name string) string {
	instance, known := f.instances[name]
	switch {
	case !known:
		return "has no pod that runs"
	case !instance.Answers():
		return "does not answer"
	case instance.Status.Message != "":
		return fmt.Sprintf("is %s: %s", instance.Status.State, instance.Status.Message)
	}
	return fmt.Sprintf("is %s", instance.Status.State)
}

func at(now time.Time) *metav1.Time { return &metav1.Time{Time: now.Truncate(time.Second)} }
