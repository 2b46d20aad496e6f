package postgrescluster

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// replicationFacts are what decideSynchronous decides from.
type replicationFacts struct {
	// wanted is what is asked for, for this number of instances.
	wanted    v1alpha1.EffectiveAvailability
	instances int
	// leader is the instance that takes writes, "" for none; what it published, and who streams from it.
	leader    string
	published election.Quorum
	replicas  []instanceapi.Replica
}

// replication of this cluster as it was observed.
func (s *scope) replication() replicationFacts {
	facts := replicationFacts{wanted: s.availability(), instances: s.instancesWanted(), leader: s.leader(), published: s.observed.record.Quorum}
	if facts.leader == "" {
		return facts
	}
	if server := s.observed.instances[facts.leader].Status.Postgres; server != nil {
		facts.replicas = server.Replicas
	}
	return facts
}

// streaming are the published members that receive the leader's WAL, beside itself, sorted.
func (f replicationFacts) streaming() []string {
	var names []string
	for incarnation, name := range f.published.Members {
		if name != f.leader && slices.ContainsFunc(f.replicas, func(r instanceapi.Replica) bool {
			return r.Instance == name && r.State == "streaming" && (r.Incarnation == "" || r.Incarnation == incarnation)
		}) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// follow is how many instances receive the leader's WAL, members or not.
func (f replicationFacts) follow() int {
	return len(slices.DeleteFunc(slices.Clone(f.replicas), func(r instanceapi.Replica) bool { return r.State != "streaming" }))
}

// unsettledQuorum is why the published quorum is not what the spec asks for yet; "" where it is.
func unsettledQuorum(condition metav1.Condition) string {
	switch condition.Reason {
	case v1alpha1.ReasonAdjusting, v1alpha1.ReasonTooFewStandbys:
		return condition.Message
	}
	return ""
}

// commitsWait tells that a commit waits for more standbys than stream: writes hang until one is back, or the leader lowers the number.
func (f replicationFacts) commitsWait() bool {
	return f.published.Mode == election.ModeQuorum && len(f.streaming()) < f.published.Required-1
}

// decideSynchronous says whether commits are as safe as asked for, by what the Lease publishes and by who streams.
func decideSynchronous(f replicationFacts) metav1.Condition {
	no := func(reason, format string, args ...any) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionSynchronous, Status: metav1.ConditionFalse, Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	streaming := f.streaming()
	k, published := int(f.wanted.SynchronousStandbys), election.ModeQuorum == f.published.Mode
	switch {
	case f.instances == 0:
		return no(v1alpha1.ReasonHibernated, "hibernated: no instance runs")
	case f.leader == "":
		unknown := no(v1alpha1.ReasonNoPrimary, "no instance takes writes; what was acknowledged is kept")
		unknown.Status = metav1.ConditionUnknown
		return unknown
	case f.commitsWait():
		return no(v1alpha1.ReasonTooFewStandbys, "commits wait: each needs %d of the standbys, and %s", f.published.Required-1, whoStreams(streaming))
	case f.wanted.Mode == v1alpha1.ModeAsynchronous && !published:
		return no(v1alpha1.ReasonAsynchronous, "a commit waits for no standby, as spec.availability.mode asks")
	case f.wanted.Mode == v1alpha1.ModeAsynchronous:
		return no(v1alpha1.ReasonAdjusting, "%s changes from mode Quorum to Asynchronous", f.leader)
	case f.instances == 1:
		return no(v1alpha1.ReasonSingleInstance, "there is one instance: each commit is on its volume alone")
	case len(streaming) < k && f.follow() >= k:
		return no(v1alpha1.ReasonAdjusting, "%s adds standbys to the members, until a commit can wait for %d of them", f.leader, k)
	case len(streaming) < k:
		return no(v1alpha1.ReasonTooFewStandbys, "a commit is to wait for %d of the standbys, and %s; it waits for %d now", k, whoStreams(streaming), max(f.published.Required-1, 0))
	case !published || f.published.Required-1 < k:
		return no(v1alpha1.ReasonAdjusting, "%s raises the number of standbys that a commit waits for to %d", f.leader, k)
	}
	return metav1.Condition{Type: v1alpha1.ConditionSynchronous, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMet,
		Message: fmt.Sprintf("a commit waits for %d of the standbys %s", f.published.Required-1, strings.Join(streaming, ", "))}
}

func whoStreams(names []string) string {
	if len(names) == 0 {
		return "none of the members streams"
	}
	return "of the members " + strings.Join(names, ", ") + " alone stream"
}
