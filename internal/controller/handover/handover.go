// Package handover says to whom a leader could hand over, and beside whom an instance may be stopped, for all who ask for it: switchovers, restarts and
// rollouts. The choice, and the last word, are the leader's: what is said here keeps a request from being made that would be refused.
package handover

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// MostLag that a standby may have when it is asked for, in bytes: it has to receive that while nobody can write.
const MostLag = 16 << 20

// WhyNot tells why this instance could not take over from the leader now; two empty strings where it could.
func WhyNot(record election.Record, instances map[string]contact.Instance, name string) (reason, message string) {
	leader := contact.Leader(record, instances)
	switch {
	case leader == "":
		return v1alpha1.ReasonNoPrimary, "no instance leads now that could hand over"
	case leader == name:
		return v1alpha1.ReasonAlreadyPrimary, name + " leads already"
	case !slices.Contains(record.MemberNames(), name):
		return v1alpha1.ReasonNotMember, fmt.Sprintf("%s is not among the members that %s has published (%v): it may lack acknowledged commits. It becomes one when it streams without lag",
			name, leader, record.MemberNames())
	case !instances[name].Answers():
		return v1alpha1.ReasonUnreachable, name + " does not answer"
	}
	replica := replicaOf(instances[leader], name)
	switch {
	case replica == nil || replica.State != "streaming" || instances[name].Status.State != instanceapi.StateStreaming:
		return v1alpha1.ReasonLagging, fmt.Sprintf("%s does not stream from %s now", name, leader)
	case replica.LagBytes > MostLag:
		return v1alpha1.ReasonLagging, fmt.Sprintf("%s is %d MiB behind %s, and writes would wait until it has caught up; try again when it is less than %d MiB",
			name, replica.LagBytes>>20, leader, MostLag>>20)
	}
	return "", ""
}

// Serves tells whether an instance leads, or follows its leader.
func Serves(i contact.Instance) bool {
	if !i.Answers() || !i.Status.Ready {
		return false
	}
	return (i.Status.Leader && i.Status.State == instanceapi.StateRunning) || i.Status.State == instanceapi.StateStreaming
}

// StandsIn tells whether an instance serves in a way that another one can be stopped beside it: its copy counts for commits. A standby whose
// connection hangs believes for a while that it streams; whether it does is its leader's to say, who publishes the members.
func StandsIn(record election.Record, i contact.Instance, name string) bool {
	members := record.MemberNames()
	return Serves(i) && (len(members) == 0 || slices.Contains(members, name))
}

// Candidates are the instances that could take over now, the one that is furthest first.
func Candidates(record election.Record, instances map[string]contact.Instance) []string {
	var names []string
	lag := map[string]int64{}
	for name := range instances {
		if reason, _ := WhyNot(record, instances, name); reason == "" {
			names = append(names, name)
			lag[name] = replicaOf(instances[record.Holder], name).LagBytes
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(lag[a], lag[b]), cmp.Compare(a, b)) })
	return names
}

// replicaOf a standby as its leader sees it; nil where it does not stream.
func replicaOf(leader contact.Instance, name string) *instanceapi.Replica {
	if leader.Status.Postgres == nil {
		return nil
	}
	replicas := leader.Status.Postgres.Replicas
	at := slices.IndexFunc(replicas, func(r instanceapi.Replica) bool { return r.Instance == name })
	if at < 0 {
		return nil
	}
	return &replicas[at]
}
