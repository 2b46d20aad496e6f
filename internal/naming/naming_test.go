package naming

import (
	"strings"
	"testing"
)

// children are all fixed names of a cluster's children, by kind of object.
func children(cluster string) map[string][]string {
	all := map[string][]string{
		"Lease":               {Lease(cluster)},
		"Service":             {PrimaryService(cluster), ReplicaService(cluster), PodsService(cluster)},
		"ServiceAccount":      {ServiceAccount(cluster)},
		"Secret":              {PeerCA(cluster), ClientCA(cluster), Certificates(cluster), MonitorCertificate(cluster)},
		"PodDisruptionBudget": {DisruptionBudget(cluster)},
		"Pod":                 {ImageCheck(cluster)},
	}
	for ordinal := 1; ordinal <= 99; ordinal++ {
		instance := Instance(cluster, ordinal)
		all["Pod"] = append(all["Pod"], instance)
		all["PersistentVolumeClaim"] = append(all["PersistentVolumeClaim"], DataVolume(instance), WALVolume(instance))
	}
	return all
}

func TestChildrenOfTheLongestNameFitALabel(t *testing.T) {
	for kind, names := range children(strings.Repeat("x", MaxClusterName)) {
		for _, name := range names {
			if len(name) > 63 {
				t.Errorf("%s %s has %d bytes", kind, name, len(name))
			}
		}
	}
}

func TestNoTwoChildrenOfAKindShareAName(t *testing.T) {
	for kind, names := range children("demo") {
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] {
				t.Errorf("two objects of kind %s are called %s", kind, name)
			}
			seen[name] = true
		}
	}
}

func TestOrdinalIsTheReverseOfInstance(t *testing.T) {
	for _, tc := range []struct {
		instance string
		ordinal  int
		ok       bool
	}{
		{"demo-1", 1, true}, {"demo-12", 12, true},
		{"demo-0", 0, false}, {"demo-01", 0, false}, {"demo-+1", 0, false}, {"demo-image-check", 0, false},
		{"demo", 0, false}, {"demo-x-1", 0, false}, {"other-1", 0, false}, {"", 0, false},
	} {
		if ordinal, ok := Ordinal("demo", tc.instance); ordinal != tc.ordinal || ok != tc.ok {
			t.Errorf("Ordinal(%q) = %d, %v", tc.instance, ordinal, ok)
		}
	}
}

func TestRolesThatWouldShareASecretAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		roles   []string
		refused bool
	}{
		"different names":                {[]string{"app", "report"}, false},
		"underscore against hyphen":      {[]string{"a_b", "a-b"}, true},
		"the name of a Secret of ours":   {[]string{"peer_ca"}, true},
		"nothing left to name it by":     {[]string{"__"}, true},
		"underscores around are no harm": {[]string{"_app"}, false},
	} {
		if got := RoleSecretConflict("demo", tc.roles); (got != "") != tc.refused {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestSlotsAreWhatPostgresAllows(t *testing.T) {
	slot := Slot(Instance(strings.Repeat("a-", MaxClusterName/2), 9))
	if len(slot) > 63 || strings.Trim(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		t.Errorf("slot %q", slot)
	}
}
