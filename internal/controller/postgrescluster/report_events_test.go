package postgrescluster

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func TestWhichChangeOfAConditionIsTold(t *testing.T) {
	was := func(status metav1.ConditionStatus) *metav1.Condition { return &metav1.Condition{Status: status} }
	for _, test := range []struct {
		name, kind string
		was        *metav1.Condition
		is         metav1.ConditionStatus
		want       string
	}{
		{"ready is good news", v1alpha1.ConditionReady, was(metav1.ConditionFalse), metav1.ConditionTrue, "Normal"},
		{"not ready any more is told by the cause", v1alpha1.ConditionReady, was(metav1.ConditionTrue), metav1.ConditionFalse, ""},
		{"writes work", v1alpha1.ConditionAvailable, was(metav1.ConditionFalse), metav1.ConditionTrue, "Normal"},
		{"writes work no more", v1alpha1.ConditionAvailable, was(metav1.ConditionTrue), metav1.ConditionFalse, "Warning"},
		{"writes do not work yet", v1alpha1.ConditionAvailable, was(metav1.ConditionUnknown), metav1.ConditionFalse, ""},
		{"nothing was known before", v1alpha1.ConditionAvailable, nil, metav1.ConditionFalse, ""},
		{"a person must act", v1alpha1.ConditionStalled, nil, metav1.ConditionTrue, "Warning"},
		{"something is lost", v1alpha1.ConditionDegraded, nil, metav1.ConditionTrue, "Warning"},
		{"a person need not act any more", v1alpha1.ConditionStalled, was(metav1.ConditionTrue), metav1.ConditionFalse, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, told := severityOf(test.kind, test.is, test.was)
			if told != (test.want != "") || (told && got != test.want) {
				t.Errorf("severity %q, told %v; want %q", got, told, test.want)
			}
		})
	}
}
