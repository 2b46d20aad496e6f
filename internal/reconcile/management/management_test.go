package management

import (
	"strings"
	"testing"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

var shop = Resource{Group: "postgres.timonier.io", Kind: "PostgresCluster", Namespace: "sales", Name: "shop"}

func override(namespace, name string) contract.Override {
	return contract.Override{Group: shop.Group, Kind: shop.Kind, Namespace: namespace, Name: name, Unmanaged: true}
}

func TestTheMostRestrictiveOfAllThatIsSaidWins(t *testing.T) {
	for name, tc := range map[string]struct {
		own, platform contract.ManagementState
		overrides     []contract.Override
		want          contract.ManagementState
		by            string
	}{
		"nothing is said":                        {want: contract.Managed},
		"the resource says Unmanaged":            {own: contract.Unmanaged, want: contract.Unmanaged, by: "spec.managementState"},
		"the platform does, the resource not":    {own: contract.Managed, platform: contract.Unmanaged, want: contract.Unmanaged, by: "spec.managementState of the Platform"},
		"the resource does, the platform not":    {own: contract.Unmanaged, platform: contract.Managed, want: contract.Unmanaged, by: "spec.managementState"},
		"an override names it":                   {own: contract.Managed, overrides: []contract.Override{override("sales", "shop")}, want: contract.Unmanaged, by: "PostgresCluster.postgres.timonier.io sales/shop"},
		"an override names its namespace":        {overrides: []contract.Override{override("sales", "")}, want: contract.Unmanaged, by: "sales/*"},
		"an override names another one":          {overrides: []contract.Override{override("sales", "till"), override("hr", "")}, want: contract.Managed},
		"it is to be removed":                    {own: contract.Removed, want: contract.Removed, by: "spec.managementState"},
		"to be removed, and left alone":          {own: contract.Removed, overrides: []contract.Override{override("", "shop")}, want: contract.Unmanaged, by: "*/shop"},
		"an override that says unmanaged: false": {overrides: []contract.Override{{Group: shop.Group, Kind: shop.Kind}}, want: contract.Managed},
		"an override of another group":           {overrides: []contract.Override{{Kind: shop.Kind, Unmanaged: true}}, want: contract.Managed},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(shop, tc.own, Platform{tc.platform, tc.overrides}, contract.Removed)
			if got.State != tc.want || !strings.HasSuffix(got.By, tc.by) || got.Refused != "" {
				t.Errorf("decided %+v, want %s by %q", got, tc.want, tc.by)
			}
		})
	}
}

func TestThePlatformCannotHaveAllRemoved(t *testing.T) {
	for _, own := range []contract.ManagementState{"", contract.Managed} {
		got := Decide(shop, own, Platform{State: contract.Removed}, contract.Removed)
		if got.State != contract.Unmanaged || got.Refused != "spec.managementState of the Platform: only single resources can be Removed, by their own spec" {
			t.Errorf("of one that says %q itself: %+v", own, got)
		}
	}
}

func TestAStateThatAKindCannotHonourIsRefusedAndNothingIsDone(t *testing.T) {
	got := Decide(shop, contract.Removed, Platform{})
	if got.State != contract.Unmanaged || got.Refused != "spec.managementState: PostgresCluster cannot be Removed" {
		t.Errorf("decided %+v", got)
	}
}

func TestAnOverrideOfOneChildLeavesThatAlone(t *testing.T) {
	overrides := []contract.Override{{Kind: "Service", Namespace: "sales", Name: "shop-rw", Unmanaged: true}}
	if by := LeftAlone(Resource{Kind: "Service", Namespace: "sales", Name: "shop-rw"}, overrides); by != "spec.overrides of the Platform, Service sales/shop-rw" {
		t.Errorf("left alone by %q", by)
	}
	for _, other := range []Resource{{Kind: "Service", Namespace: "sales", Name: "shop-ro"}, {Kind: "Secret", Namespace: "sales", Name: "shop-rw"}, {Kind: "Service", Namespace: "hr", Name: "shop-rw"}} {
		if by := LeftAlone(other, overrides); by != "" {
			t.Errorf("%s is left alone by %q", other, by)
		}
	}
}

func TestAnOperatorOfANewerMinorOrMajorVersionDoesNotTakeOver(t *testing.T) {
	for _, tc := range []struct {
		last, own string
		want      Takeover
	}{
		{"", "v1.2.0", TakesOver}, {"v1.2.0", "v1.2.0", TakesOver}, {"abc", "abc", TakesOver},
		{"v1.2.0", "v1.2.1", Warns}, {"v1.2.1", "v1.2.0", Warns}, {"1.2.0", "v1.2.7", Warns},
		{"v1.2.9", "v1.3.0", Refuses}, {"v1.9.0", "v1.10.0", Refuses}, {"v1.9.0", "v2.0.0", Refuses}, {"v1.2.0", "v1.3.0-rc.1", Refuses},
		{"v1.3.0", "v1.2.0", Warns}, {"4c49da2", "v1.2.0", Warns}, {"v1.2.0", "unknown", Warns},
	} {
		if got := DecideTakeover(tc.last, tc.own); got != tc.want {
			t.Errorf("%q after %q: %s, want %s", tc.own, tc.last, got, tc.want)
		}
	}
	if text := Explain(shop, "spec.managementState", "v1.2.0", "v1.3.0"); !strings.Contains(text, "PostgresCluster.postgres.timonier.io sales/shop") || !strings.Contains(text, "prevents upgrades") {
		t.Errorf("it explains: %s", text)
	}
}
