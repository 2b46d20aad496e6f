package platform

import (
	"context"
	"maps"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// toldAgainAfter is how often it is told what goes on being so: events are kept for an hour, and then nobody would see it.
const toldAgainAfter = 50 * time.Minute

// absence is what was told where there is no Platform whose status would say it, and when. There is one worker, and so one writer.
type absence struct {
	told map[string]notice
	at   time.Time
}

// notice is what a person is to know. Each cluster's own is about that cluster too: of two events of one reason about the same objects the second would only
// be counted.
type notice struct {
	reason, message string
	about           runtime.Object
}

// tellWithoutPlatform what its status would say, as events of the operator's own Lease and in the log.
func (r *Reconciler) tellWithoutPlatform(ctx context.Context, clusters []postgresv1alpha1.PostgresCluster, degraded *metav1.Condition) {
	now := notices(clusters, degraded)
	news := worthTelling(r.absent.told, now, r.Now().Sub(r.absent.at) >= toldAgainAfter)
	if r.absent.told = now; len(news) == 0 {
		return
	}
	r.absent.at = r.Now()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Lease}}
	for _, one := range news {
		severity := corev1.EventTypeWarning
		if one.reason == v1alpha1.ReasonNothingBlocks {
			severity = corev1.EventTypeNormal
		}
		r.Events.Eventf(lease, one.about, severity, one.reason, "Reconcile", "%s", one.message)
		ctrl.LoggerFrom(ctx).Info("there is no Platform that would show this", "reason", one.reason, "message", one.message)
	}
}

// notices of what is so now, by what they are about.
func notices(clusters []postgresv1alpha1.PostgresCluster, degraded *metav1.Condition) map[string]notice {
	all := map[string]notice{}
	for i := range clusters {
		cluster := &clusters[i]
		if text := blocker(cluster); text != "" && len(all) < blockingShown {
			all[cluster.Namespace+"/"+cluster.Name] = notice{v1alpha1.ReasonManagementOverridesSet, upgradeable([]string{text}, 0).Message, cluster}
		}
	}
	if degraded != nil {
		all["degraded"] = notice{degraded.Reason, degraded.Message, nil}
	}
	return all
}

// worthTelling is what is new, or all that is so where it is time to tell it again; and that nothing is any more.
func worthTelling(before, now map[string]notice, again bool) []notice {
	var news []notice
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if was, told := before[key]; again || !told || was.message != now[key].message {
			news = append(news, now[key])
		}
	}
	if len(now) == 0 && len(before) > 0 {
		free := upgradeable(nil, 0)
		news = append(news, notice{free.Reason, free.Message, nil})
	}
	return news
}
