package postgresoperation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/handover"
)

// guard refuses an operation that could not be done safely, by a reason and a message; "" where it has nothing against it.
type guard struct {
	name   string
	refuse func(f facts) (reason, message string)
}

// guards by type, in the order in which they are asked. The first that refuses counts.
func guards(operation v1alpha1.OperationType) []guard {
	if operation == v1alpha1.OperationRenewCertificates {
		return []guard{{"cluster_exists", clusterExists}, {"cluster_not_removed", clusterNotRemoved}, {"one_operation_at_a_time", oneOperationAtATime}}
	}
	all := []guard{
		{"cluster_exists", clusterExists},
		{"cluster_not_removed", clusterNotRemoved},
		{"cluster_managed", clusterManaged},
		{"cluster_runs", clusterRuns},
		{"one_operation_at_a_time", oneOperationAtATime},
		{"instance_exists", instanceExists},
	}
	switch operation {
	case v1alpha1.OperationSwitchover:
		return append(all, guard{"somebody_leads", somebodyLeads}, guard{"target_could_take_over", targetCouldTakeOver})
	case v1alpha1.OperationRestart:
		return append(all, guard{"target_not_left_alone", targetNotLeftAlone}, guard{"target_runs", targetRuns}, guard{"others_serve", othersServe})
	case v1alpha1.OperationReinitialize:
		return append(all, guard{"target_not_left_alone", targetNotLeftAlone}, guard{"somebody_leads", somebodyLeads}, guard{"target_answers", targetAnswers},
			guard{"target_is_standby", targetIsStandby}, guard{"enough_members_stay", enoughMembersStay})
	case v1alpha1.OperationForcePromotion:
		return append(all, guard{"nobody_leads", nobodyLeads}, guard{"target_answers", targetAnswers})
	case v1alpha1.OperationRenewCertificates: // has its own
	}
	return all
}

// admit begins the operation, or refuses it.
func admit(f facts) step {
	for _, guard := range guards(f.spec.Type) {
		reason, message := guard.refuse(f)
		switch {
		case reason == "":
			continue
		case reason == v1alpha1.ReasonClusterUnmanaged:
			waits := f.step(verbPostpone, reason, "%s", message)
			waits.after = unmanagedAgain
			return waits
		case reason == v1alpha1.ReasonOperationRunning && f.hasWaited(v1alpha1.ConditionAccepted):
			// Of several that waited for the cluster to be handed back each has its turn.
			return f.step(verbPostpone, reason, "%s is managed again, and the operation %s is before this one, which begins when that has ended", f.spec.ClusterRef.Name, f.rival)
		case mayPass(reason) && !f.late(f.postponedAt(), admittedWithin):
			return f.step(verbPostpone, reason, "it would be refused now, and is tried for %s: %s", admittedWithin, message)
		}
		return f.step(verbRefuse, reason, "%s", message)
	}
	f.status.ClusterUID, f.status.StartedAt = f.cluster.uid, at(f.now)
	f.status.From = &v1alpha1.OperationLeader{Instance: f.record.Holder, Term: max(f.record.Term, f.cluster.term)}
	f.plan()
	return f.step(verbAccept, v1alpha1.ReasonAccepted, "begun while %s leads in term %d", orNobody(f.status.From.Instance), f.status.From.Term)
}

// mayPass tells whether a reason may be gone in a moment without anybody's doing: standbys connect anew after each change of the quorum, and a leader is
// not yet open right after a failover.
func mayPass(reason string) bool {
	switch reason {
	case v1alpha1.ReasonNoPrimary, v1alpha1.ReasonNotMember, v1alpha1.ReasonUnreachable, v1alpha1.ReasonLagging, v1alpha1.ReasonNobodyEligible, v1alpha1.ReasonNotSafe:
		return true
	}
	return false
}

// postponedAt is when this operation first would have been refused; nil where it was not. What it waited for while the cluster was left alone does not count.
func (f facts) postponedAt() *metav1.Time {
	if accepted := meta.FindStatusCondition(f.status.Conditions, v1alpha1.ConditionAccepted); accepted != nil && !waitsForHandsOff(accepted) {
		return &accepted.LastTransitionTime
	}
	return nil
}

// plan notes what the operation will recognise its own effect by.
func (f *facts) plan() {
	switch f.spec.Type {
	case v1alpha1.OperationSwitchover, v1alpha1.OperationRenewCertificates:
	case v1alpha1.OperationRestart:
		names := []string{f.target()}
		if f.target() == "" {
			names = f.standbysFirst()
		}
		for _, name := range names {
			f.status.Instances = append(f.status.Instances, v1alpha1.OperationInstance{
				Name: name, State: v1alpha1.OperationInstancePending, Since: at(f.now)})
		}
	case v1alpha1.OperationReinitialize:
		f.status.Instances = []v1alpha1.OperationInstance{{Name: f.target(), State: v1alpha1.OperationInstanceCloning, Since: at(f.now),
			Incarnation: f.instances[f.target()].Status.Volume.Incarnation}}
	case v1alpha1.OperationForcePromotion:
		volume := f.instances[f.target()].Status.Volume
		f.status.Promotion = &v1alpha1.ForcedPromotion{Position: volume.Position, Term: volume.Term,
			LeaderPosition: f.record.Position, LeaderTerm: f.record.Term}
	}
}

func (f facts) standbysFirst() []string {
	leader := f.leader()
	names := slices.DeleteFunc(slices.Sorted(slices.Values(f.cluster.names)), func(name string) bool { return name == leader })
	if leader != "" {
		names = append(names, leader)
	}
	return names
}

func clusterExists(f facts) (reason, message string) {
	if f.cluster == nil {
		return v1alpha1.ReasonUnknownCluster, fmt.Sprintf("there is no PostgresCluster %s in this namespace; correct clusterRef", f.spec.ClusterRef.Name)
	}
	return "", ""
}

// clusterNotRemoved: of a cluster that is taken away there are neither instances nor, soon, certificates.
func clusterNotRemoved(f facts) (reason, message string) {
	if f.cluster.removed {
		return v1alpha1.ReasonRemoved, fmt.Sprintf("%s is taken away, as its spec.managementState says; set that to Managed first", f.spec.ClusterRef.Name)
	}
	return "", ""
}

// clusterManaged has an operation wait for as long as the cluster is left alone.
func clusterManaged(f facts) (reason, message string) {
	if f.cluster.unmanaged != "" {
		return v1alpha1.ReasonClusterUnmanaged, fmt.Sprintf("%s is left alone, by %s: the operation waits until it is managed again; delete it if it is not wanted then", f.spec.ClusterRef.Name, f.cluster.unmanaged)
	}
	return "", ""
}

func clusterRuns(f facts) (reason, message string) {
	if f.cluster.wanted == 0 {
		return v1alpha1.ReasonHibernated, fmt.Sprintf("%s hibernates: no instance runs. Raise its instances first", f.spec.ClusterRef.Name)
	}
	return "", ""
}

func oneOperationAtATime(f facts) (reason, message string) {
	if f.rival != "" {
		return v1alpha1.ReasonOperationRunning, fmt.Sprintf("the operation %s runs on %s; ask again when it has ended, or delete it to give it up", f.rival, f.spec.ClusterRef.Name)
	}
	return "", ""
}

func instanceExists(f facts) (reason, message string) {
	if target := f.target(); target != "" && !slices.Contains(f.cluster.names, target) {
		return v1alpha1.ReasonUnknownInstance, fmt.Sprintf("%s has no instance %s; it has %v", f.spec.ClusterRef.Name, target, f.cluster.names)
	}
	return "", ""
}

// leftAloneMeanwhile says what a person has kept for himself since the operation was begun, "" for nothing that it would still touch.
func (f facts) leftAloneMeanwhile() string {
	for _, instance := range f.status.Instances {
		if child := f.leftAlone[instance.Name]; child != "" && instance.State != v1alpha1.OperationInstanceDone {
			return child
		}
	}
	return ""
}

// targetNotLeftAlone: what a person keeps for himself is neither restarted nor cloned over.
func targetNotLeftAlone(f facts) (reason, message string) {
	names := f.cluster.names
	if target := f.target(); target != "" {
		names = []string{target}
	}
	for _, name := range names {
		if child := f.leftAlone[name]; child != "" {
			return v1alpha1.ReasonHandsOff, fmt.Sprintf("%s: nothing is done to instance %s. Remove that override and ask again, or name another instance", child, name)
		}
	}
	return "", ""
}

func somebodyLeads(f facts) (reason, message string) {
	if f.leader() == "" {
		return v1alpha1.ReasonNoPrimary, "no instance takes writes now; see to that first"
	}
	return "", ""
}

func targetCouldTakeOver(f facts) (reason, message string) {
	if target := f.target(); target != "" {
		return handover.WhyNot(f.record, f.instances, target)
	}
	if len(handover.Candidates(f.record, f.instances)) > 0 {
		return "", ""
	}
	return v1alpha1.ReasonNobodyEligible, "no standby could take over now: none of the members " + fmt.Sprint(f.record.MemberNames()) + " streams without lag"
}

func targetRuns(f facts) (reason, message string) {
	names := f.cluster.names
	if target := f.target(); target != "" {
		names = []string{target}
	}
	for _, name := range names {
		if found := f.instances[name]; !found.Answers() || found.Status.Postgres == nil {
			return v1alpha1.ReasonUnreachable, fmt.Sprintf("%s %s: PostgreSQL cannot be restarted there. It is started by itself as soon as it can be", name, f.doing(name))
		}
	}
	return "", ""
}

func othersServe(f facts) (reason, message string) {
	if other, does := f.notServing(f.target()); other != "" {
		return v1alpha1.ReasonNotSafe, fmt.Sprintf("%s %s: nobody else is stopped before it serves", other, does)
	}
	return "", ""
}

func targetAnswers(f facts) (reason, message string) {
	if target := f.target(); !f.instances[target].Answers() {
		return v1alpha1.ReasonUnreachable, fmt.Sprintf("%s %s: nothing can be asked of it", target, f.doing(target))
	}
	return "", ""
}

func targetIsStandby(f facts) (reason, message string) {
	if target := f.target(); target == f.record.Holder || f.instances[target].Status.Leader {
		return v1alpha1.ReasonNotStandby, fmt.Sprintf("%s leads: its data is what the others are copies of. Switch over to another instance first", target)
	}
	return "", ""
}

// enoughMembersStay: commits must neither lose a copy that they count on, nor wait for one that is being made.
func enoughMembersStay(f facts) (reason, message string) {
	if f.cluster.durability == v1alpha1.DurabilityPreferred {
		return "", "" // the leader goes on with fewer
	}
	others := 0
	for _, name := range f.record.MemberNames() {
		if name != f.target() && handover.Serves(f.instances[name]) {
			others++
		}
	}
	if others < f.record.Quorum.Required {
		return v1alpha1.ReasonNotSafe, fmt.Sprintf("each commit is on %d members, and without %s only %d serve: writes would wait. Bring another one back first, or let them go on with spec.availability.durability Preferred",
			f.record.Quorum.Required, f.target(), others)
	}
	return "", ""
}

func nobodyLeads(f facts) (reason, message string) {
	for name, found := range f.instances {
		if found.Answers() && found.Status.Leader {
			return v1alpha1.ReasonLeaderReachable, fmt.Sprintf("%s leads; nobody is promoted beside it. A switchover loses nothing", name)
		}
	}
	return "", ""
}

func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

func micro(t metav1.Time) *metav1.MicroTime {
	m := metav1.NewMicroTime(t.Time)
	return &m
}
