//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// Whatever cannot be done is said with field, cause and remedy, while the cluster serves as it did.

func TestParametersThatAreRefusedByTheirNameLeaveTheClusterAsItWas(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("refusing", instances(2), set("work_mem", "5MB"))
	c.waitReady()
	before := c.processes()
	w := c.underLoad()
	good := map[string]intstr.IntOrString{"work_mem": intstr.FromString("5MB")}

	for _, bad := range []struct{ name, value string }{
		{"no_such_parameter", "1"},                                                   // unknown
		{"work_men", "6MB"},                                                          // a slip of the pen
		{"primary_conninfo", "host"},                                                 // Timonier's own
		{"fsync", "off"}, {"full_page_writes", "off"}, {"synchronous_commit", "off"}, // what keeps data
		{"random_page_cost", "cheap"}, // no number
	} {
		c.edit(func(s *spec) {
			s.Parameters = map[string]intstr.IntOrString{"work_mem": intstr.FromString("7MB"), bad.name: intstr.Parse(bad.value)}
		})
		c.waitStalled(v1alpha1.ReasonInvalidSpec, "spec.parameters", bad.name)
		if now := c.mustSuperuser(c.primary(), "postgres", "SHOW work_mem"); now != "5MB" {
			t.Errorf("work_mem became %s together with the refused %s", now, bad.name)
		}
	}
	c.edit(func(s *spec) { s.Parameters, s.HBA = good, []string{"hostssl all all 0.0.0.0/0 trust"} })
	c.waitStalled(v1alpha1.ReasonInvalidSpec, "spec.hba[0]", "trust")
	c.edit(func(s *spec) { s.HBA = []string{"hostnossl all all all scram-sha-256"} })
	c.waitStalled(v1alpha1.ReasonInvalidSpec, "spec.hba[0]", "hostnossl")

	c.edit(func(s *spec) { s.HBA = []string{"hostssl all nobody 192.0.2.0/24 reject"} })
	c.waitReady()
	if lines := c.mustSuperuser(c.primary(), "postgres", "SELECT count(*) FROM pg_hba_file_rules WHERE 'nobody' = ANY (user_name)"); lines != "1" {
		t.Errorf("the hba line is there %s times", lines)
	}
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
}

func TestAValueThatPostgresRefusesAtItsStartIsTakenBackOnTheFirstInstance(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("restoring", set("work_mem", "5MB"))
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	for _, bad := range []struct{ name, value string }{
		{"shared_preload_libraries", "nosuchlibrary"},
		{"shared_buffers", "400GB"},
	} {
		c.edit(func(s *spec) {
			s.Parameters = map[string]intstr.IntOrString{"work_mem": intstr.FromString("5MB"), bad.name: intstr.FromString(bad.value)}
		})
		eventually(t, 2*time.Minute, "it says that "+bad.name+" was refused", func() error {
			return c.says(v1alpha1.ConditionStalled, v1alpha1.ReasonParameterRejected, "spec.parameters", bad.name, "former values are in force")
		})
		rejected := c.mustGet().Status.RejectedParameters
		if rejected == nil || !slices.Contains(c.standbys(), rejected.Instance) {
			t.Fatalf("the status tells of the refusal as %+v", rejected)
		}
		eventually(t, saidWithin, "the one that refused serves again", func() error {
			for _, instance := range c.mustGet().Status.Instances {
				if !instance.Ready {
					return fmt.Errorf("%s: %s %s", instance.Name, instance.State, instance.Message)
				}
			}
			return nil
		})
		for _, name := range names(before) {
			if name != rejected.Instance {
				c.mustBeUntouched(before, name)
			}
		}
		c.mustStream(rejected.Instance)
	}
	c.edit(set("shared_preload_libraries", "pg_stat_statements", "shared_buffers", "64MB"))
	c.waitReady()
	c.mustHave("shared_preload_libraries", "pg_stat_statements")
	w.finish(1)
}
