package platform

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/platform/v1alpha1"
)

func TestWithoutAPlatformWhatItsStatusWouldSayIsToldWhenItChangesAndAgainBeforeEventsAreGone(t *testing.T) {
	free := []metav1.Condition{upgradeable(nil, 0)}
	blocked := []metav1.Condition{upgradeable([]string{"PostgresCluster sales/shop is left alone"}, 0)}
	more := []metav1.Condition{upgradeable([]string{"PostgresCluster sales/shop is left alone", "PostgresCluster sales/till is left alone"}, 0)}
	for name, tc := range map[string]struct {
		before, after []metav1.Condition
		again         bool
		want          string
	}{
		"all is well from the start":    {nil, free, false, ""},
		"all is well, and was told":     {free, free, true, ""},
		"blocked from the start":        {nil, blocked, false, v1alpha1.ReasonManagementOverridesSet},
		"blocked now":                   {free, blocked, false, v1alpha1.ReasonManagementOverridesSet},
		"blocked, and told a while ago": {blocked, blocked, false, ""},
		"blocked, and told long ago":    {blocked, blocked, true, v1alpha1.ReasonManagementOverridesSet},
		"blocked by more":               {blocked, more, false, v1alpha1.ReasonManagementOverridesSet},
		"free again":                    {blocked, free, false, v1alpha1.ReasonNothingBlocks},
	} {
		t.Run(name, func(t *testing.T) {
			told := ""
			for _, condition := range worthTelling(tc.before, tc.after, tc.again) {
				told += condition.Reason
			}
			if told != tc.want {
				t.Errorf("told %q, want %q", told, tc.want)
			}
		})
	}
}
