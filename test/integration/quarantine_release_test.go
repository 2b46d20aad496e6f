//go:build integration

package integration

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// annotated is a cluster, which brings the operator to look at it.
func annotated(t *testing.T, c client.Client, name, annotation, value string) {
	t.Helper()
	target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, annotation, value))); err != nil {
		t.Fatal(err)
	}
}

// released asks for it by a token.
func released(t *testing.T, c client.Client, name, token string) {
	t.Helper()
	annotated(t, c, name, naming.AnnotationRelease, token)
}

// putBack waits until what was tried again has failed so often since, and is suspended.
func putBack(t *testing.T, c client.Client, name string, attempts int32) v1alpha1.PostgresClusterStatus {
	t.Helper()
	found := &v1alpha1.PostgresCluster{}
	eventually(t, fmt.Sprintf("%s is put back after attempt %d", name, attempts), func() bool {
		return c.Get(t.Context(), key(name), found) == nil && len(found.Status.Quarantine) == 1 && found.Status.Quarantine[0].Attempts == attempts && !found.Status.Quarantine[0].Trying
	})
	return found.Status
}

func TestWhatIsInQuarantineIsTriedAgainWhenASecretThatTheSpecNamesIsChanged(t *testing.T) {
	c := operatorRuns(t)
	secret := given(t, c, "pull-named", map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{}}`)})
	forbidden(t, c, "named-ro")
	asked(t, c, "named", "instances: 1\nimagePullSecrets: [{name: pull-named}]")
	quarantined(t, c, "named")
	eventually(t, "it is known what the Secret is like", func() bool {
		q := exists[v1alpha1.PostgresCluster](t, c, "named").Status.Quarantine
		return len(q) == 1 && q[0].References != ""
	})
	workedOn(t, c, "named")
	putBack(t, c, "named", 0)

	secret.Data[corev1.DockerConfigJsonKey] = []byte(`{"auths":{"registry.example":{}}}`)
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	annotated(t, c, "named", "example.com/looked", "again") // it is not watched
	entry := putBack(t, c, "named", 1).Quarantine[0]
	if pause := entry.NextAttempt.Sub(now()); pause < 59*time.Minute || pause > time.Hour {
		t.Errorf("one more failure put it back for %s, want twice as long as half an hour", pause)
	}
	if event := told(t, c, "named", v1alpha1.ReasonReleased); !strings.Contains(event.Note, "phase network is tried again: a Secret or ConfigMap that the spec names was changed") {
		t.Errorf("it is told as %q", event.Note)
	}
}

func TestAPersonReleasesWhatASelectorFindsAndNoOther(t *testing.T) {
	c := operatorRuns(t)
	for _, side := range []string{"west", "east"} {
		forbidden(t, c, side+"-ro")
		asked(t, c, side, "instances: 1")
		target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: side}}
		if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{"side":%q}}}`, side))); err != nil {
			t.Fatal(err)
		}
	}
	quarantined(t, c, "west")
	quarantined(t, c, "east")
	status := func(side string) v1alpha1.PostgresClusterStatus {
		return exists[v1alpha1.PostgresCluster](t, c, side).Status
	}
	before := status("west")
	shown, err := typed(t.Context(), kubeconfigFile(t), "release", "-l", "side=west", "-n", "shop")
	if err != nil || !strings.Contains(shown, "west: phase network is tried again") || strings.Contains(shown, "east") {
		t.Errorf("shown: %s; %v", shown, err)
	}
	eventually(t, "west is tried again, in vain", func() bool {
		now := status("west")
		return now.Released != "" && len(now.Quarantine) == 1 && now.Quarantine[0].Attempts > before.Quarantine[0].Attempts
	})
	workedOn(t, c, "east")
	if now := status("east"); now.Released != "" || len(now.Quarantine) != 1 {
		t.Errorf("east was released by %q: %+v", now.Released, now.Quarantine)
	}
}

func TestWhatMostClustersFailByPutsNobodyIntoQuarantineAndIsTheOperatorsToTell(t *testing.T) {
	c := operatorRuns(t)
	eventuallyWithin(t, time.Minute, "the clusters of tests before are gone: most of all are those of this one", func() bool {
		clusters := &v1alpha1.PostgresClusterList{}
		return c.List(t.Context(), clusters) == nil && len(clusters.Items) == 0
	})
	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	lift := refused(t, c, "!object.metadata.name.startsWith('fleet') || !object.metadata.name.endsWith('-ro')", "fleet-ro")
	var fleet []string
	for n := range 6 {
		fleet = append(fleet, fmt.Sprintf("fleet%d", n))
		asked(t, c, fleet[n], "instances: 1")
	}
	counts := func(name string) int32 {
		for _, failure := range exists[v1alpha1.PostgresCluster](t, c, name).Status.Failures {
			if failure.Phase == "network" && failure.Reason == "Forbidden" {
				return failure.Count
			}
		}
		return 0
	}
	t.Cleanup(func() {
		for _, name := range fleet {
			if status := (&v1alpha1.PostgresCluster{}); t.Failed() && c.Get(context.Background(), key(name), status) == nil {
				t.Logf("%s: %+v, %+v", name, status.Status.Failures, status.Status.Quarantine)
			}
		}
	})
	for _, name := range fleet {
		eventuallyWithin(t, time.Minute, name+" failed ten times", func() bool { pass(5 * time.Second); return counts(name) >= 10 })
	}
	pass(12 * time.Hour) // they are deep in back-off
	before := counts(fleet[0])
	annotated(t, c, fleet[0], "example.com/looked", "again")
	eventually(t, "the first of them is tried again", func() bool { return counts(fleet[0]) > before })
	degraded := func() *metav1.Condition {
		platform := &platformv1alpha1.Platform{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: platformv1alpha1.SingletonName}, platform); err != nil {
			t.Fatal(err)
		}
		return meta.FindStatusCondition(platform.Status.Conditions, platformv1alpha1.ConditionDegraded)
	}
	eventually(t, "the operator says so", func() bool {
		condition := degraded()
		return condition != nil && condition.Status == metav1.ConditionTrue && condition.Reason == platformv1alpha1.ReasonSharedFailure && strings.Contains(condition.Message, "Forbidden")
	})
	for _, name := range fleet {
		if status := exists[v1alpha1.PostgresCluster](t, c, name).Status; len(status.Quarantine) != 0 {
			t.Errorf("%s is in quarantine: %+v", name, status.Quarantine)
		}
	}
	lift()
	for _, name := range fleet {
		eventuallyWithin(t, 75*time.Second, "within a minute it is found out that the cause of "+name+" is mended", func() bool {
			return c.Get(t.Context(), key(name+"-ro"), &corev1.Service{}) == nil
		})
	}
	eventually(t, "the operator says no more of it", func() bool {
		condition := degraded()
		return condition == nil || condition.Status == metav1.ConditionFalse
	})
}

func TestAnOutageOfTheAPIServerPutsNobodyIntoQuarantine(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "outage", "instances: 1")
	exists[corev1.Pod](t, c, "outage-1")
	t.Cleanup(func() { cut.Store(nil) })
	outage := func(concerns func(*http.Request) bool, team string, many int64) {
		t.Helper()
		specified(t, c, "outage", fmt.Sprintf(`{"team":%q}`, team))
		eventually(t, "the operator has the spec", func() bool { return exists[corev1.Service](t, c, "outage-rw").Labels[naming.LabelTeam] == team })
		cut.Store(&concerns)
		before := lost.Load()
		specified(t, c, "outage", fmt.Sprintf(`{"team":"%s-too"}`, team))
		eventually(t, "the operator tries, again and again", func() bool { pass(5 * time.Second); return lost.Load() > before+many })
		pass(time.Hour)
		more := lost.Load()
		annotated(t, c, "outage", "example.com/looked", team) // it need not wait for its back-off
		eventually(t, "and goes on", func() bool { return lost.Load() > more })
		cut.Store(nil)
		annotated(t, c, "outage", "example.com/looked", team+"-too")
		eventuallyWithin(t, 75*time.Second, "it has done it", func() bool { return exists[corev1.Service](t, c, "outage-rw").Labels[naming.LabelTeam] == team+"-too" })
		workedOn(t, c, "outage")
		status := exists[v1alpha1.PostgresCluster](t, c, "outage").Status
		if len(status.Quarantine)+len(status.Failures) != 0 {
			t.Errorf("the status says %+v, %+v", status.Quarantine, status.Failures)
		}
	}
	outage(func(request *http.Request) bool { return request.Method != http.MethodGet }, "writes", 150)
	outage(func(*http.Request) bool { return true }, "all", 15)
	if told := events(t, c, "outage", v1alpha1.ReasonRetriesExhausted); len(told) != 0 {
		t.Errorf("it is told that something was suspended: %v", told)
	}
}
