package postgrescluster

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func scopeWith(parameters map[string]intstr.IntOrString, members ...int) *scope {
	cluster := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "n"}}
	cluster.Spec.Version, cluster.Spec.Parameters = "17", parameters
	s := newScope(cluster, time.Unix(0, 0))
	s.members.run = members
	return s
}

func TestRevisionTellsWhatAPersonWroteFromWhichInstancesThereAre(t *testing.T) {
	base := scopeWith(nil, 1, 2, 3).configuration()
	if again := scopeWith(nil, 3, 2, 1).configuration(); again.Revision != base.Revision {
		t.Error("the order of instances changes the revision")
	}
	scaled := scopeWith(nil, 1, 2).configuration()
	if scaled.Revision == base.Revision || writtenPart(scaled.Revision) != writtenPart(base.Revision) {
		t.Errorf("scaling: %s, before %s", scaled.Revision, base.Revision)
	}
	changed := scopeWith(map[string]intstr.IntOrString{"work_mem": intstr.FromString("8MB")}, 1, 2, 3).configuration()
	if writtenPart(changed.Revision) == writtenPart(base.Revision) {
		t.Error("a parameter does not change the revision")
	}
}

func TestARefusalIsRememberedUntilTheSpecChanges(t *testing.T) {
	refused := scopeWith(map[string]intstr.IntOrString{"shared_buffers": intstr.FromString("1TB")}, 1).configuration()
	instances := map[string]contact.Instance{"c-1": {Status: instanceapi.Status{
		Rejected: &instanceapi.Rejection{Revision: refused.Revision, Message: "no memory"}}}}
	found := rejection(refused, instances, nil)
	if found == nil || found.Instance != "c-1" {
		t.Fatalf("not found: %v", found)
	}
	if again := rejection(refused, nil, found); again != found {
		t.Error("forgotten when the instance no longer tells of it")
	}
	scaled := scopeWith(map[string]intstr.IntOrString{"shared_buffers": intstr.FromString("1TB")}, 1, 2).configuration()
	if rejection(scaled, nil, found) == nil {
		t.Error("forgotten when the cluster is scaled")
	}
	mended := scopeWith(map[string]intstr.IntOrString{"shared_buffers": intstr.FromString("64MB")}, 1).configuration()
	if rejection(mended, instances, found) != nil {
		t.Error("held against another spec")
	}
}

func TestConfigurationProblemsNameTheField(t *testing.T) {
	s := scopeWith(map[string]intstr.IntOrString{"fsync": intstr.FromString("off"), "no_such": intstr.FromInt(1)}, 1)
	s.cluster.Spec.HBA = []string{"host all all 0.0.0.0/0 trust"}
	text := joinProblems(configurationProblems(s.configuration()))
	for _, field := range []string{"spec.parameters.fsync", "spec.parameters.no_such", "spec.hba[0]"} {
		if !strings.Contains(text, field) {
			t.Errorf("%s is not named in %q", field, text)
		}
	}
}
