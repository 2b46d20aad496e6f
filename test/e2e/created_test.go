//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// sample creates the cluster of config/samples, as it is there but for its namespace.
func (s *space) sample() *cluster {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "config", "samples", "demo.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	wanted := &v1alpha1.PostgresCluster{}
	if err := yaml.UnmarshalStrict(content, wanted); err != nil {
		s.t.Fatalf("reading the sample: %v", err)
	}
	s.make(wanted)
	return &cluster{space: s, name: wanted.Name}
}

func TestTheSampleIsCreatedAndServesApplicationsThatKnowItsSecretAlone(t *testing.T) {
	t.Parallel()
	c := newSpace(t).sample()
	c.waitReady()

	c.mustBeSpreadAndReported()
	c.mustShowItsColumns()
	c.mustLabelItsChildren()
	c.mustTellApplicationsHowToConnect()

	// What is written by <c>-rw is read by <c>-ro, with nothing but the Secret.
	pod := c.client("app")
	if out, err := c.shell(pod, `psql "$URI" -XAtc "CREATE TABLE greetings (text text); INSERT INTO greetings VALUES ('good morning')"`); err != nil {
		t.Fatalf("writing with the Secret's uri: %v %s", err, out)
	}
	uri, err := c.shell(pod, `echo "$URI"`)
	if err != nil || !strings.Contains(uri, "sslmode=verify-full") {
		t.Errorf("the uri does not verify the server (%v)", err)
	}
	readOnly := fmt.Sprintf(`host=%s port=5432 user=$USERNAME dbname=$DATABASE sslmode=verify-full`,
		naming.ServiceHost(naming.ReplicaService(c.name), c.space.name))
	eventually(t, 30*time.Second, "the row is read by "+naming.ReplicaService(c.name), func() error {
		out, err := c.shell(pod, `psql "`+readOnly+`" -XAtc "SELECT text, pg_is_in_recovery() FROM greetings"`)
		if err == nil && out != "good morning|t" {
			err = fmt.Errorf("it gives %q", out)
		}
		return err
	})
	if out, err := c.shell(pod, `psql "`+readOnly+`" -XAtc "INSERT INTO greetings VALUES ('x')"`); refusedWith(err, "read-only") != nil {
		t.Errorf("a standby takes writes: %v %s", err, out)
	}

	c.mustRefuseInsecureClients(pod)
}

// mustBeSpreadAndReported: three instances on three nodes, and the status tells of each.
func (c *cluster) mustBeSpreadAndReported() {
	c.t.Helper()
	status := c.mustGet().Status
	if len(status.Instances) != 3 || status.Summary.Instances != "3/3" {
		c.t.Fatalf("the status tells of %d instances, %s", len(status.Instances), status.Summary.Instances)
	}
	nodes := map[string]bool{}
	roles := map[v1alpha1.InstanceRole]int{}
	for _, instance := range status.Instances {
		nodes[instance.Node] = true
		roles[instance.Role]++
		if !instance.Ready || instance.Timeline != 1 || instance.Image == "" || instance.VolumeSize == nil || instance.Position == "" {
			c.t.Errorf("the status of %s is incomplete: %+v", instance.Name, instance)
		}
	}
	if len(nodes) != 3 {
		c.t.Errorf("the instances are on %d nodes: %v", len(nodes), nodes)
	}
	if roles[v1alpha1.RolePrimary] != 1 || roles[v1alpha1.RoleStandby] != 2 {
		c.t.Errorf("roles are %v", roles)
	}
	if status.SystemIdentifier == "" || status.Primary != c.primary() || status.Image == nil || !strings.HasPrefix(status.Image.Version, "17.") {
		c.t.Errorf("system %q, primary %q, image %+v", status.SystemIdentifier, status.Primary, status.Image)
	}
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionAvailable) {
		c.t.Errorf("it is not Available: %s", told(status.Conditions))
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionDegraded} {
		if meta.FindStatusCondition(status.Conditions, kind) != nil {
			c.t.Errorf("a cluster at rest has the condition %s: %s", kind, told(status.Conditions))
		}
	}
}

func (c *cluster) mustShowItsColumns() {
	c.t.Helper()
	lines := strings.Split(kubectl(c.t, "-n", c.space.name, "get", "pgc", c.name), "\n")
	wanted := []string{"NAME", "TEAM", "VERSION", "INSTANCES", "VOLUME", "CPU", "MEMORY", "AGE", "STATUS"}
	if got := strings.Fields(lines[0]); !slices.Equal(got, wanted) {
		c.t.Errorf("kubectl get shows the columns %v, not %v", got, wanted)
	}
	row := strings.Fields(lines[1])
	row[7] = "age"
	if want := []string{c.name, "demo", "17", "3/3", "1Gi", "100m", "256Mi", "age", "Ready"}; !slices.Equal(row, want) {
		c.t.Errorf("kubectl get shows %v, not %v", row, want)
	}
}

// mustTellApplicationsHowToConnect: the role's Secret has all keys, and they agree.
func (c *cluster) mustTellApplicationsHowToConnect() {
	c.t.Helper()
	secret := &corev1.Secret{}
	c.mustFind(naming.RoleSecret(c.name, naming.DefaultRole), secret)
	host := naming.ServiceHost(naming.PrimaryService(c.name), c.space.name)
	for key, wanted := range map[string]string{"username": "app", "dbname": "app", "host": host, "port": "5432"} {
		if got := string(secret.Data[key]); got != wanted {
			c.t.Errorf("the Secret's %s is %q, not %q", key, got, wanted)
		}
	}
	for key, start := range map[string]string{"uri": "postgresql://app:", "jdbc-uri": "jdbc:postgresql://" + host + ":5432/app?"} {
		uri := string(secret.Data[key])
		if !strings.HasPrefix(uri, start) || !strings.Contains(uri, host+":5432/app") || !strings.Contains(uri, "sslmode=verify-full") {
			c.t.Errorf("the Secret's %s does not lead to %s verified (it is not printed: it has the password)", key, host)
		}
	}
	if len(secret.Data["password"]) < 16 || !strings.Contains(string(secret.Data["ca.crt"]), "BEGIN CERTIFICATE") {
		c.t.Error("the Secret lacks its password or its authority")
	}
}

// mustLabelItsChildren: everything that belongs to the cluster can be listed by one label.
func (c *cluster) mustLabelItsChildren() {
	c.t.Helper()
	for kind, expected := range map[client.ObjectList]int{
		&corev1.PodList{}: 3, &corev1.PersistentVolumeClaimList{}: 3, &corev1.ServiceList{}: 3, &corev1.SecretList{}: 5,
		&corev1.ServiceAccountList{}: 1, &rbacv1.RoleList{}: 1, &rbacv1.RoleBindingList{}: 1,
		&policyv1.PodDisruptionBudgetList{}: 1, &coordinationv1.LeaseList{}: 1, &discoveryv1.EndpointSliceList{}: 2,
	} {
		err := kube.List(c.t.Context(), kind, client.InNamespace(c.space.name), client.MatchingLabels{naming.LabelCluster: c.name})
		if err != nil {
			c.t.Fatal(err)
		}
		found := meta.LenList(kind)
		if found < expected {
			c.t.Errorf("%T: %d carry the label %s, not %d", kind, found, naming.LabelCluster, expected)
		}
		_ = meta.EachListItem(kind, func(object runtime.Object) error {
			if accessor, err := meta.Accessor(object); err == nil && accessor.GetLabels()[naming.LabelTeam] == "" {
				c.t.Errorf("%T %s has no label with its team", object, accessor.GetName())
			}
			return nil
		})
	}
}

// mustRefuseInsecureClients: no TCP without TLS, and no superuser over TCP, from a pod and from this machine.
func (c *cluster) mustRefuseInsecureClients(pod string) {
	c.t.Helper()
	host := naming.ServiceHost(naming.PrimaryService(c.name), c.space.name)
	for what, attempt := range map[string]struct {
		arguments string
		refusal   []string
	}{
		"without TLS": {
			"host=" + host + " user=$USERNAME dbname=$DATABASE sslmode=disable", []string{"no encryption", "pg_hba.conf rejects"}},
		"as the superuser": {
			"host=" + host + " user=postgres dbname=postgres sslmode=require", []string{"no pg_hba.conf entry", "pg_hba.conf rejects", "password authentication failed"}},
		"for replication": {
			"host=" + host + " user=$USERNAME dbname=$DATABASE replication=true sslmode=require", []string{"no pg_hba.conf entry", "pg_hba.conf rejects"}},
		"with a wrong password": {
			"host=" + host + " user=$USERNAME dbname=$DATABASE password=wrong sslmode=require", []string{"password authentication failed"}},
		"under a name that is not the server's": {
			"host=" + c.pod(c.primary()).Status.PodIP + " user=$USERNAME dbname=$DATABASE sslmode=verify-full", []string{"does not match host name", "is not valid for"}},
	} {
		out, err := c.shell(pod, `psql "`+attempt.arguments+`" -XAtc "SELECT 'let in'"`)
		if problem := refusedWith(err, attempt.refusal...); problem != nil {
			c.t.Errorf("a connection %s: %v %s", what, problem, out)
		}
	}
	if c.mustSuperuser(c.primary(), "postgres", "SELECT count(*) FROM pg_authid WHERE rolname = 'postgres' AND rolpassword IS NOT NULL") != "0" {
		c.t.Error("the superuser has a password")
	}
	// The plain port serves probes, and nothing else.
	address := net.JoinHostPort(c.pod(c.primary()).Status.PodIP, fmt.Sprint(naming.PortProbes))
	for path, wanted := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 404, "/v1/status": 404} {
		if got, err := statusOf(c.t.Context(), "http://"+address+path); err != nil || got != wanted {
			c.t.Errorf("%s on the plain port answers %d, not %d (%v)", path, got, wanted, err)
		}
	}
}

func TestASoleInstanceWithAVolumeForItsWALServesAndHasNoDisruptionBudget(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	c := s.create("sole", instances(1), func(wanted *spec) {
		wanted.Storage.WAL = &v1alpha1.Volume{Size: wanted.Storage.Size}
		wanted.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	})
	c.waitReady()
	if got := c.mustSuperuser(c.instance(1), "postgres", "SHOW shared_buffers"); got != "256MB" {
		t.Errorf("shared_buffers is %s, not a quarter of the pod's memory", got)
	}
	w := c.underLoad()
	w.finish(0)
	if where := c.mustSuperuser(c.instance(1), "postgres", "SELECT count(*) FROM pg_ls_waldir()"); where == "0" {
		t.Error("there is no WAL")
	}
	if out, err := c.shell(c.instance(1), "readlink /var/lib/timonier/data/pgdata/pg_wal"); err != nil || out != "/var/lib/timonier/wal/pg_wal" {
		t.Errorf("the WAL is in %q (%v)", out, err)
	}
	var budgets policyv1.PodDisruptionBudgetList
	if err := kube.List(t.Context(), &budgets, client.InNamespace(s.name)); err != nil || len(budgets.Items) != 0 {
		t.Errorf("a sole instance has %d disruption budgets, so that a drain would never end (%v)", len(budgets.Items), err)
	}
	c.evict(c.instance(1))
	c.waitReady()
	// <c>-ro leads to the primary where there is no standby.
	pod := c.client("app")
	eventually(t, 30*time.Second, "the primary serves "+naming.ReplicaService(c.name), func() error {
		_, err := c.shell(pod, `psql "host=`+naming.ServiceHost(naming.ReplicaService(c.name), c.space.name)+
			` user=$USERNAME dbname=$DATABASE sslmode=verify-full" -XAtc "SELECT count(*) FROM ledger"`)
		return err
	})
}

func TestTheFirstStatusSaysThatNothingWasObservedYet(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	events, err := kube.Watch(t.Context(), &v1alpha1.PostgresClusterList{}, client.InNamespace(s.name))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Stop()
	c := s.create("watched", instances(1))
	for event := range events.ResultChan() {
		seen, ok := event.Object.(*v1alpha1.PostgresCluster)
		if !ok || len(seen.Status.Conditions) == 0 {
			continue
		}
		ready := meta.FindStatusCondition(seen.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != metav1.ConditionUnknown || ready.Reason != v1alpha1.ReasonNotObserved || ready.ObservedGeneration != 1 {
			t.Errorf("the first conditions were %s", told(seen.Status.Conditions))
		}
		if seen.Status.ObservedGeneration != 1 {
			t.Errorf("the first status is of generation %d", seen.Status.ObservedGeneration)
		}
		break
	}
	c.waitReady()
}
