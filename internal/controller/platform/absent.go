package platform

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/timonier-io/timonier/api/platform/v1alpha1"
)

// toldAgainAfter is how often it is told what goes on being so: events are kept for an hour, and then nobody would see it.
const toldAgainAfter = 50 * time.Minute

// absence is what was told where there is no Platform whose status would say it. There is one worker, and so one writer.
type absence struct {
	conditions []metav1.Condition
	at         time.Time
}

// tellWithoutPlatform what its status would say, as events of the operator's own Lease and in the log.
func (r *Reconciler) tellWithoutPlatform(ctx context.Context, conditions []metav1.Condition) {
	news := worthTelling(r.absent.conditions, conditions, r.Now().Sub(r.absent.at) >= toldAgainAfter)
	if r.absent.conditions = conditions; len(news) == 0 {
		return
	}
	r.absent.at = r.Now()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: r.Lease}}
	for _, condition := range news {
		severity := corev1.EventTypeWarning
		if condition.Reason == v1alpha1.ReasonNothingBlocks {
			severity = corev1.EventTypeNormal
		}
		r.Events.Eventf(lease, nil, severity, condition.Reason, "Reconcile", "%s", condition.Message)
		ctrl.LoggerFrom(ctx).Info("there is no Platform that would show this", "condition", condition.Type, "status", condition.Status, "reason", condition.Reason, "message", condition.Message)
	}
}

// worthTelling are the conditions that have changed, and, where it is time to tell again, those that a person is to do something about.
func worthTelling(before, after []metav1.Condition, again bool) []metav1.Condition {
	var news []metav1.Condition
	for _, is := range after {
		was := meta.FindStatusCondition(before, is.Type)
		good := is.Reason == v1alpha1.ReasonNothingBlocks
		changed := was == nil && !good || was != nil && (was.Status != is.Status || was.Message != is.Message)
		if changed || again && !good {
			news = append(news, is)
		}
	}
	return news
}
