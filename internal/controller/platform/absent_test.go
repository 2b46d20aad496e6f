package platform

import (
	"strings"
	"testing"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/platform/v1alpha1"
	postgresv1alpha1 "github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile/quarantine"
)

func TestWithoutAPlatformWhatItsStatusWouldSayIsToldWhenItChangesAndAgainBeforeEventsAreGone(t *testing.T) {
	alone := func(names ...string) map[string]notice {
		clusters := []postgresv1alpha1.PostgresCluster{cluster("mail", postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Managed})}
		for _, name := range names {
			clusters = append(clusters, cluster(name, postgresv1alpha1.PostgresClusterStatus{ManagementState: contract.Unmanaged}))
		}
		return notices(clusters, nil)
	}
	failing := notices(nil, degraded(map[string]quarantine.Common{"PostgresCluster": {Reason: "Forbidden", Failing: 7, Of: 9}}, 0))
	for name, tc := range map[string]struct {
		before, now map[string]notice
		again       bool
		want        []string
	}{
		"all is well from the start":    {nil, alone(), false, nil},
		"all is well, and was":          {alone(), alone(), true, nil},
		"blocked from the start":        {nil, alone("shop"), false, []string{"sales/shop"}},
		"blocked now":                   {alone(), alone("shop"), false, []string{"sales/shop"}},
		"blocked, and told a while ago": {alone("shop"), alone("shop"), false, nil},
		"blocked, and told long ago":    {alone("shop"), alone("shop"), true, []string{"sales/shop"}},
		"blocked by one more":           {alone("shop"), alone("shop", "till"), false, []string{"sales/till"}},
		"by one less":                   {alone("shop", "till"), alone("till"), false, nil},
		"free again":                    {alone("shop"), alone(), false, []string{"can be upgraded"}},
		"most fail alike":               {nil, failing, false, []string{"Forbidden"}},
	} {
		t.Run(name, func(t *testing.T) {
			told := worthTelling(tc.before, tc.now, tc.again)
			if len(told) != len(tc.want) {
				t.Fatalf("told %+v, want %v", told, tc.want)
			}
			for i, one := range told {
				if !strings.Contains(one.message, tc.want[i]) || (one.reason == v1alpha1.ReasonManagementOverridesSet) != (one.about != nil) {
					t.Errorf("told %+v, want %s", one, tc.want[i])
				}
			}
		})
	}
}
