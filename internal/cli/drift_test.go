package cli

import (
	"strings"
	"testing"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

func TestWhatBecomesOfADriftIsSaidAsItIs(t *testing.T) {
	for then, change := range map[string]func(*v1alpha1.PostgresCluster){
		"was put back":            func(*v1alpha1.PostgresCluster) {},
		"is about to be put back": func(c *v1alpha1.PostgresCluster) { c.Status.Management.Told = &v1alpha1.ToldDrift{Generation: 3} },
		"until spec.resumePolicy is Enforce": func(c *v1alpha1.PostgresCluster) {
			c.Status.Management.Told, c.Spec.ResumePolicy = &v1alpha1.ToldDrift{Generation: 3}, contract.Report
		},
		"left alone, by spec.managementState": func(c *v1alpha1.PostgresCluster) {
			c.Status.ManagementState, c.Status.Management.By = contract.Unmanaged, "spec.managementState"
		},
		"nothing differed when shop was last handed": func(c *v1alpha1.PostgresCluster) { c.Status.Management.Drift = nil },
	} {
		cluster := v1alpha1.PostgresCluster{}
		cluster.Name = "shop"
		cluster.Status.Management.Drift = []contract.Drift{{Kind: "Service", Name: "shop-rw", Field: "spec.type"}}
		change(&cluster)
		var shown strings.Builder
		if err := renderDrift(&shown, cluster); err != nil || !strings.Contains(shown.String(), then) {
			t.Errorf("%s: %v\n%s", then, err, shown.String())
		}
	}
}
