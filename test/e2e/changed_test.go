//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
)

// set parameters of PostgreSQL, over those that are there.
func set(pairs ...string) func(*spec) {
	return func(s *spec) {
		if s.Parameters == nil {
			s.Parameters = map[string]intstr.IntOrString{}
		}
		for i := 0; i < len(pairs); i += 2 {
			s.Parameters[pairs[i]] = intstr.Parse(pairs[i+1])
		}
	}
}

// mustHave waits until every instance runs with a parameter's value.
func (c *cluster) mustHave(parameter, value string) {
	c.t.Helper()
	for _, pod := range c.instancePods() {
		eventually(c.t, readyWithin, pod.Name+" has "+parameter+" = "+value, func() error {
			out, err := c.superuser(pod.Name, "postgres", "SHOW "+parameter)
			if err == nil && out != value {
				err = fmt.Errorf("it has %s", out)
			}
			return err
		})
	}
}

func TestInstancesAreAddedAndRemovedWhileApplicationsWrite(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("elastic")
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	c.edit(instances(5))
	c.waitReady()
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	if n := len(c.standbys()); n != 4 {
		t.Errorf("there are %d standbys", n)
	}

	c.edit(instances(3))
	c.waitReady()
	eventually(t, 2*time.Minute, "three instances are left", func() error {
		if n := len(c.instancePods()); n != 3 {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)
	if n := len(c.volumes()); n != 5 {
		t.Errorf("%d volumes are kept, of 5", n)
	}
	// Nothing holds WAL back for an instance that is gone.
	want := naming.Slot(c.standbys()[0]) + "," + naming.Slot(c.standbys()[1])
	eventually(t, saidWithin, "there are the slots "+want, func() error {
		slots, err := c.superuser(c.primary(), "postgres", "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots")
		if err == nil && slots != want {
			err = fmt.Errorf("there are %s", slots)
		}
		return err
	})

	c.edit(instances(1))
	c.waitReady()
	eventually(t, 30*time.Second, "a single instance has no disruption budget", func() error {
		var budgets policyv1.PodDisruptionBudgetList
		err := kube.List(t.Context(), &budgets, client.InNamespace(c.space.name))
		if err == nil && len(budgets.Items) > 0 {
			err = fmt.Errorf("there is %s", budgets.Items[0].Name)
		}
		return err
	})
}

func TestParametersAreReloadedAndRestartedForOneInstanceAfterTheOther(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("tuned", set("max_connections", "50"))
	c.waitReady()
	before := c.processes()

	w := c.underLoad()
	c.edit(set("work_mem", "6MB", "log_min_duration_statement", "250ms"))
	c.mustHave("work_mem", "6MB")
	c.waitReady()
	c.mustBeUntouched(before, names(before)...)
	w.finish(0)

	// Raised: standbys first, since one with less than its primary would stop.
	w = c.underLoad()
	raised := time.Now()
	c.edit(set("max_connections", "80"))
	c.mustRestartInOrder(c.primary(), false, c.firstStart(raised))
	c.mustHave("max_connections", "80")
	c.waitReady()
	w.finish(1)

	// Lowered: the primary first, for the same reason.
	before = c.processes()
	w = c.underLoad()
	lowered := time.Now()
	c.edit(set("max_connections", "60"))
	c.mustRestartInOrder(c.primary(), true, c.firstStart(lowered))
	c.mustHave("max_connections", "60")
	c.waitReady()
	for _, standby := range c.standbys() {
		c.mustStream(standby)
	}
	w.finish(1)
	c.mustKeepContainers(before, names(before)...)
}

// mustRestartInOrder waits until every instance was restarted, the primary first or last. When one was is told by something that
// lasts: a standby may have been restarted once more, to follow another leader, before anybody asks its server.
func (c *cluster) mustRestartInOrder(primary string, primaryFirst bool, restarted func(corev1.Pod) (time.Time, error)) {
	c.t.Helper()
	started := map[string]time.Time{}
	wanted := int(*c.mustGet().Spec.Instances)
	eventually(c.t, readyWithin, "every instance is restarted", func() error {
		for _, pod := range c.instancePods() {
			at, err := restarted(pod)
			if err != nil {
				return err
			}
			started[pod.Name] = at
		}
		if len(started) < wanted {
			return fmt.Errorf("so far: %v", started)
		}
		return nil
	})
	order := slices.SortedFunc(maps.Keys(started), func(a, b string) int { return started[a].Compare(started[b]) })
	position := slices.Index(order, primary)
	if (primaryFirst && position != 0) || (!primaryFirst && position != len(order)-1) {
		c.t.Errorf("instances were restarted in the order %v, with %s as primary", order, primary)
	}
}

// firstStart of an instance's postgres since then, as its log tells.
func (c *cluster) firstStart(since time.Time) func(corev1.Pod) (time.Time, error) {
	return func(pod corev1.Pod) (time.Time, error) {
		log, err := tryKubectl(c.t.Context(), "-n", pod.Namespace, "logs", pod.Name)
		if err != nil {
			return time.Time{}, err
		}
		for text := range strings.Lines(log) {
			var line struct {
				Time    time.Time `json:"time"`
				Message string    `json:"msg"`
			}
			// Whatever is not the instance manager's own has another form.
			if json.Unmarshal([]byte(text), &line) == nil && line.Message == "postgres started" && line.Time.After(since) {
				return line.Time, nil
			}
		}
		return time.Time{}, fmt.Errorf("postgres of %s was not started since %s", pod.Name, since.Format(time.TimeOnly))
	}
}

func TestVolumesGrowWhileApplicationsWrite(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("growing")
	c.waitReady()
	before := c.processes()
	w := c.underLoad()

	c.edit(func(s *spec) { s.Storage.Size = resource.MustParse("768Mi") })
	for _, pod := range c.instancePods() {
		eventually(t, 2*time.Minute, "the file system of "+pod.Name+" has grown", func() error {
			out, err := c.shell(pod.Name, "df --output=size -BM /var/lib/timonier/data | tail -n 1")
			if err != nil {
				return err
			}
			var megabytes int
			if _, err := fmt.Sscanf(out, "%dM", &megabytes); err != nil || megabytes < 600 {
				return fmt.Errorf("it has %q", out)
			}
			return nil
		})
	}
	c.waitReady()
	for _, instance := range c.mustGet().Status.Instances {
		if instance.VolumeSize == nil || instance.VolumeSize.Cmp(resource.MustParse("768Mi")) < 0 {
			t.Errorf("the status tells of a volume of %v for %s", instance.VolumeSize, instance.Name)
		}
	}
	w.finish(0)
	c.mustBeUntouched(before, names(before)...)

	err := c.tryEdit(func(s *spec) { s.Storage.Size = resource.MustParse("512Mi") })
	if problem := refusedWith(err, "cannot shrink"); problem != nil {
		t.Errorf("a smaller volume: %v", problem)
	}
}

// A full volume stops writes, and perhaps PostgreSQL; the volume grows all the same, and nothing else is needed.
func TestAClusterWhoseVolumeIsFullGrowsOutOfIt(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("full", instances(2))
	c.waitReady()
	c.sql("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
	// All of them: while one has room it leads.
	for _, pod := range c.instancePods() {
		localcluster(t, "volume", "fill", c.space.name+"/"+naming.DataVolume(pod.Name))
	}
	fill := "INSERT INTO kept SELECT generate_series(1001, 200000)"
	eventually(t, time.Minute, "the volume takes no writes any more", func() error {
		connection, err := c.connect(t.Context())
		if err != nil {
			return nil // PostgreSQL has stopped over it
		}
		defer closeQuietly(connection)
		if _, err := connection.Exec(t.Context(), fill); err == nil {
			return errors.New("it takes writes")
		}
		return nil
	})

	c.edit(func(s *spec) { s.Storage.Size = resource.MustParse("768Mi") })
	c.waitReady()
	c.sql("INSERT INTO kept VALUES (0)")
	if got := c.mustSuperuser(c.primary(), "app", "SELECT count(*) FROM kept WHERE id <= 1000"); got != "1001" {
		t.Errorf("%s of 1001 rows are there", got)
	}
}

func TestAPoolOfConnectionsThatIsExhaustedKeepsTheClusterReady(t *testing.T) {
	t.Parallel()
	c := newSpace(t).create("crowded", instances(2), set("max_connections", "20"))
	c.waitReady()
	refused := false
	for range 40 {
		connection, err := c.connect(t.Context())
		if err != nil {
			if problem := refusedWith(err, "53300", "remaining connection slots", "too many clients"); problem != nil {
				t.Fatal(problem)
			}
			refused = true
			break
		}
		t.Cleanup(func() { closeQuietly(connection) })
	}
	if !refused {
		t.Fatal("40 connections were taken where 20 are allowed")
	}
	throughout(t, 20*time.Second, "the cluster stays ready", func() error {
		for _, pod := range c.instancePods() {
			for _, status := range pod.Status.ContainerStatuses {
				if !status.Ready || status.RestartCount > 0 {
					return errors.New(pod.Name + " is not ready any more")
				}
			}
		}
		return c.isReady()
	})
}
