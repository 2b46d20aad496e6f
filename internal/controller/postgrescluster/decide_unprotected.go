package postgrescluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// cancelledEvery is how often at most an event tells of the commits of an instance that did not wait. What comes within about twelve minutes of an event
// with the same reason about the same objects, the recorder only counts, and its message is lost.
const cancelledEvery = 15 * time.Minute

// decideCancelled brings what is known of each instance's commits that did not wait up to what the instances tell now, and decides of which an event
// tells: ToldAt is now for these, and nothing of them is untold any more. It is kept in the status, so that another operator goes on from there.
func decideCancelled(former []v1alpha1.CancelledWaits, told map[string]instanceapi.CancelledWaits, now time.Time) []v1alpha1.CancelledWaits {
	var decided []v1alpha1.CancelledWaits
	for i := range former {
		if _, tells := told[former[i].Instance]; !tells {
			decided = append(decided, former[i])
		}
	}
	for _, name := range sortedKeys(told) {
		was := v1alpha1.CancelledWaits{Instance: name}
		if at := slices.IndexFunc(former, func(w v1alpha1.CancelledWaits) bool { return w.Instance == name }); at >= 0 {
			was = former[at]
		} else if told[name].Count == 0 {
			continue
		}
		// To the second, as the API server keeps it: it would seem to be another one each time otherwise.
		is := v1alpha1.CancelledWaits{Instance: name, Count: told[name].Count, ToldAt: was.ToldAt,
			CountedSince: metav1.NewTime(told[name].Since.Truncate(time.Second))}
		is.Untold = untold(was, is)
		if is.Untold > 0 && (was.ToldAt == nil || now.Sub(was.ToldAt.Time) >= cancelledEvery || now.Before(was.ToldAt.Time)) {
			is.Untold, is.ToldAt = 0, &metav1.Time{Time: now.Truncate(time.Second)}
		}
		decided = append(decided, is)
	}
	slices.SortFunc(decided, func(a, b v1alpha1.CancelledWaits) int { return cmp.Compare(a.Instance, b.Instance) })
	return decided
}

// untold is how many commits no event has told of, by what was known before and what is counted now. A count that began anew, or went back, is all new.
func untold(was, is v1alpha1.CancelledWaits) int64 {
	if was.CountedSince.Equal(&is.CountedSince) && is.Count >= was.Count {
		return was.Untold + is.Count - was.Count
	}
	return was.Untold + is.Count
}

// cancelledMessage of the event that tells of an instance's commits, "" where none is due.
func cancelledMessage(former []v1alpha1.CancelledWaits, is v1alpha1.CancelledWaits) string {
	was, since := v1alpha1.CancelledWaits{}, is.CountedSince.Time
	if at := slices.IndexFunc(former, func(w v1alpha1.CancelledWaits) bool { return w.Instance == is.Instance }); at >= 0 {
		was = former[at]
	}
	if is.ToldAt == nil || was.ToldAt.Equal(is.ToldAt) {
		return ""
	}
	if was.ToldAt != nil {
		since = was.ToldAt.Time
	}
	commits, them := "commits were", "them"
	n := untold(was, is)
	if n == 1 {
		commits, them = "commit was", "it"
	}
	return fmt.Sprintf("on %s %d %s returned since %s before enough standbys had %s, since the wait was cancelled: a failover may take %s back, "+
		"and an application that overlooks PostgreSQL's warning believes %s safe. Find out who cancels statements or ends sessions whose commit waits, "+
		"as time limits of drivers and poolers do: docs/runbooks/CommitWaitsCancelled.md", is.Instance, n, commits, since.UTC().Format(time.RFC3339), them, them, them)
}

// cancelledWaits of all instances, for the status.
func (s *scope) cancelledWaits(former []v1alpha1.CancelledWaits) []v1alpha1.CancelledWaits {
	told := map[string]instanceapi.CancelledWaits{}
	for name, instance := range s.observed.instances {
		if instance.Answers() && instance.Status.CancelledWaits != nil {
			told[name] = *instance.Status.CancelledWaits
		}
	}
	kept := slices.DeleteFunc(slices.Clone(former), func(w v1alpha1.CancelledWaits) bool {
		_, tells := told[w.Instance]
		return !tells && !slices.Contains(s.names(s.members.run), w.Instance) && s.observed.pods[w.Instance] == nil
	})
	return decideCancelled(kept, told, s.now)
}

// overrides of synchronous_commit, as the leader tells; what was known, where nobody does.
func (s *scope) overrides(former *v1alpha1.SynchronousCommitOverrides) *v1alpha1.SynchronousCommitOverrides {
	leader := s.leader()
	if leader == "" || s.observed.instances[leader].Status.SynchronousCommitOverrides == nil {
		return former
	}
	told := s.observed.instances[leader].Status.SynchronousCommitOverrides
	if told.Total == 0 {
		return nil
	}
	overrides := &v1alpha1.SynchronousCommitOverrides{Total: int32(min(told.Total, 1<<30))} //nolint:gosec // bounded here
	for _, one := range told.Listed[:min(len(told.Listed), instanceapi.MaxOverrides)] {
		overrides.Listed = append(overrides.Listed, v1alpha1.SynchronousCommitOverride{Database: one.Database, Role: one.Role, Value: one.Value})
	}
	return overrides
}
