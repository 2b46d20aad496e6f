package cli

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func condition(kind string, status metav1.ConditionStatus, reason, message string, since time.Duration) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: ago(since)}
}

// orders is a cluster of three that is well.
func orders() *Overview {
	o := &Overview{Now: noon}
	o.Cluster.Name, o.Cluster.Namespace, o.Cluster.Generation = "orders", "shop", 2
	o.Cluster.Spec.Version, o.Cluster.Spec.Team = "17", "commerce"
	status := &o.Cluster.Status
	status.ObservedGeneration, status.Primary, status.Summary.Instances = 2, "orders-2", "3/3"
	took, none, some := int64(2340), int64(0), int64(3<<30)
	status.Availability = &v1alpha1.AvailabilityStatus{Term: 4, Holder: "orders-2",
		Effective:    v1alpha1.EffectiveAvailability{Mode: v1alpha1.ModeQuorum, SynchronousStandbys: 1, Durability: v1alpha1.DurabilityRequired},
		Quorum:       &v1alpha1.QuorumStatus{Mode: v1alpha1.ModeQuorum, Members: []string{"orders-1", "orders-2", "orders-3"}, Required: 2},
		LastFailover: &v1alpha1.FailoverStatus{From: "orders-1", To: "orders-2", Cause: "LeaderSilent", At: ago(3 * time.Hour), DurationMilliseconds: &took}}
	status.Conditions = []metav1.Condition{
		condition("Ready", "True", "Ready", "3/3 instances are ready", 2*time.Hour),
		condition("Available", "True", "Writing", "orders-2 takes writes", 3*time.Hour),
		condition("Synchronous", "True", "Met", "a commit waits for 1 of the standbys orders-1, orders-3", 3*time.Hour),
	}
	created := ago(50 * time.Hour)
	status.Instances = []v1alpha1.InstanceStatus{
		{Name: "orders-1", Role: v1alpha1.RoleStandby, State: "Streaming", Ready: true, Node: "node-a", LagBytes: &none, Restarts: 1, CreatedAt: &created},
		{Name: "orders-2", Role: v1alpha1.RolePrimary, State: "Running", Ready: true, Node: "node-b", CreatedAt: &created},
		{Name: "orders-3", Role: v1alpha1.RoleStandby, State: "Streaming", Ready: true, Node: "node-c", LagBytes: &some, CreatedAt: &created},
	}
	return o
}

func TestALagIsShownNoMoreExactlyThanTheStatusKnowsIt(t *testing.T) {
	if none := lag(&v1alpha1.InstanceStatus{}); none != "-" {
		t.Errorf("none: %q", none)
	}
	for bytes, want := range map[int64]string{0: "<32 MB", 16 << 20: "<32 MB", 31 << 20: "<62 MB", 32 << 20: "~32 MB", 3 << 30: "~3072 MB"} {
		if got := lag(&v1alpha1.InstanceStatus{LagBytes: &bytes}); got != want {
			t.Errorf("%d: %q, want %q", bytes, got, want)
		}
	}
}

func TestWhatAPersonOnCallIsShown(t *testing.T) {
	for name, change := range map[string]func(o *Overview, status *v1alpha1.PostgresClusterStatus){
		"well": func(*Overview, *v1alpha1.PostgresClusterStatus) {},
		"node-lost": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			message := "instance orders-3 does not answer, since its node node-c is not ready. Nothing is discarded. Bring the node back"
			status.Conditions = append(status.Conditions[1:], condition("Ready", "False", "NodeLost", message, 5*time.Minute),
				condition("Stalled", "True", "NodeLost", message, 5*time.Minute), condition("Degraded", "True", "NodeLost", message, 5*time.Minute))
			status.Summary.Instances = "2/3"
			status.Instances[2].State, status.Instances[2].Ready, status.Instances[2].LagBytes = "Unreachable", false, nil
		},
		"commits-wait": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			message := "commits wait: each needs 1 of the standbys, and none of the members streams"
			status.Conditions = []metav1.Condition{condition("Ready", "False", "Starting", "instance orders-1: Recovering", time.Minute),
				condition("Reconciling", "True", "Starting", "instance orders-1: Recovering", time.Minute),
				condition("Synchronous", "False", "TooFewStandbys", message, 40*time.Second), condition("Available", "False", "TooFewStandbys", message, 40*time.Second)}
			status.Instances[0].State, status.Instances[0].Message = "Recovering", "replaying WAL, at 0/5000000"
			status.Instances[2].PendingRestart = []string{"max_connections"}
		},
		"failing-over": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			status.Primary, status.Availability.LastFailover.DurationMilliseconds, status.Availability.LastFailover.At = "", nil, ago(2*time.Second)
			status.Conditions = []metav1.Condition{condition("Ready", "False", "NoPrimary", "no instance leads yet", 2*time.Second),
				condition("Available", "False", "NoPrimary", "no instance takes writes", 2*time.Second),
				condition("Synchronous", "Unknown", "NoPrimary", "no instance takes writes; what was acknowledged is kept", 2*time.Second)}
		},
		"switching-over": func(o *Overview, status *v1alpha1.PostgresClusterStatus) {
			status.Conditions = append(status.Conditions[1:], condition("Ready", "False", "Rolling", "orders-1 is next, when the operation has ended", 3*time.Second),
				condition("Reconciling", "True", "Rolling", "orders-1 is next, when the operation has ended", 3*time.Second))
			operation := v1alpha1.PostgresOperation{Spec: v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover}}
			operation.Name, operation.CreationTimestamp = "orders-switchover-x7k2p", ago(3*time.Second)
			operation.Status.Summary = v1alpha1.OperationSummary{State: "Running", Reason: "HandingOver", Message: "orders-2 hands over"}
			o.Operations = []v1alpha1.PostgresOperation{operation}
		},
		"hibernated": func(o *Overview, status *v1alpha1.PostgresClusterStatus) {
			finished := ago(20 * time.Minute)
			operation := v1alpha1.PostgresOperation{Spec: v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart}}
			operation.Name, operation.CreationTimestamp, operation.Status.FinishedAt = "orders-restart-b4xqz", finished, &finished
			operation.Status.Summary = v1alpha1.OperationSummary{State: "Refused", Reason: "Hibernated", Message: "orders hibernates: no instance runs. Raise its instances first"}
			o.Operations = []v1alpha1.PostgresOperation{operation}
			status.Primary, status.Instances, status.Summary.Instances = "", nil, "0/0"
			status.Conditions = []metav1.Condition{condition("Ready", "True", "Hibernated", "hibernated: no instance runs, all volumes are kept", time.Hour),
				condition("Available", "False", "Hibernated", "hibernated: no instance runs", time.Hour)}
		},
		"asynchronous": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			status.Availability.Quorum.Mode, status.Availability.Quorum.Required, status.Availability.LastFailover, status.Availability.Term = v1alpha1.ModeAsynchronous, 1, nil, 1
			status.Conditions[2] = condition("Synchronous", "False", "Asynchronous", "a commit waits for no standby, as spec.availability.mode asks", time.Hour)
		},
		"unprotected": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			status.Availability.SynchronousCommitOverrides = &v1alpha1.SynchronousCommitOverrides{Total: 23, Listed: []v1alpha1.SynchronousCommitOverride{
				{Role: "reporting", Value: "off"}, {Database: "events", Value: "local"}, {Role: "app", Database: "events", Value: "off"}, {Value: "remote_write"}, {Role: "other", Value: "off"}}}
		},
		"quarantined": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			message := "phase network failed 12 times: nobody may have this Service. Mend that: it is tried again at once by `kubectl timonier release orders -n shop`"
			status.Conditions = append(status.Conditions[1:], condition("Managed", "True", "Managed", "Timonier steers the cluster", 50*time.Hour),
				condition("Ready", "False", "RetriesExhausted", message, time.Hour), condition("Stalled", "True", "RetriesExhausted", message, time.Hour),
				condition("Quarantined", "True", "RetriesExhausted", message, time.Hour))
		},
		"remove-pending": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			status.Conditions = append(status.Conditions, condition("Managed", "True", "Managed", "Timonier steers the cluster", 50*time.Hour),
				condition("RemovePending", "True", "ConfirmationMissing", "all is taken away, and its volumes are kept, once spec.removalConfirmation is orders", time.Minute))
		},
		"hands-off": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			message := "hands off, by spec.managementState"
			status.Conditions = append(status.Conditions[1:], condition("Ready", "Unknown", "Unmanaged", message, 8*time.Hour), condition("Managed", "False", "Unmanaged", message+". Generation 2 was the last", 8*time.Hour))
		},
		"hands-off-and-worse": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) {
			message := "hands off, by spec.managementState"
			status.Conditions = append(status.Conditions[1:], condition("Ready", "Unknown", "Unmanaged", message, 8*time.Hour), condition("Managed", "False", "Unmanaged", message, 8*time.Hour),
				condition("Degraded", "True", "HandsOff", "2 of 3, hands off", 10*time.Minute),
				condition("CertificatesExpire", "True", "CertificatesExpire", "certificates are due to be renewed. Ask for it: kubectl timonier renew-certificates orders -n shop", time.Hour))
			status.Summary.Instances, status.Instances = "2/3", status.Instances[:2]
		},
		"not-observed": func(_ *Overview, status *v1alpha1.PostgresClusterStatus) { *status = v1alpha1.PostgresClusterStatus{} },
	} {
		t.Run(name, func(t *testing.T) {
			o := orders()
			change(o, &o.Cluster.Status)
			var shown strings.Builder
			if err := o.Render(&shown); err != nil {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(shown.String(), "\n") {
				if strings.TrimRight(line, " ") != line {
					t.Errorf("spaces at the end of %q", line)
				}
			}
			compareGolden(t, name+".txt", shown.String())
			if wants := slices.Contains([]string{"well", "switching-over", "hibernated", "asynchronous", "unprotected", "remove-pending", "hands-off"}, name); o.Well() != wants {
				t.Errorf("well: %t", o.Well())
			}
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; `go test ./internal/cli -update` writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("differs from %s (-want +got); `go test ./internal/cli -update` if this is meant:\n%s", path, diff)
	}
}

func TestEveryRunbookIsKnown(t *testing.T) {
	pages, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); name != "operator-down" {
			reasons = append(reasons, name)
		}
	}
	if diff := cmp.Diff(reasons, runbooks()); diff != "" {
		t.Errorf("pages in docs/runbooks and runbooks() differ:\n%s", diff)
	}
}

func TestHelpSaysWhatEachCommandDoes(t *testing.T) {
	for _, name := range []string{"", "status", "switchover", "restart", "reinit", "force-promotion", "renew-certificates", "release", "drift"} {
		command := Command(time.Now)
		var out strings.Builder
		command.SetOut(&out)
		command.SetArgs(append(strings.Fields(name), "--help"))
		if err := command.Execute(); err != nil {
			t.Fatal(err)
		}
		compareGolden(t, strings.TrimSuffix("help-"+name, "-")+".txt", out.String())
	}
}

func TestALossThatIsNotAcceptedIsRefusedWithTheSentenceToWrite(t *testing.T) {
	command := Command(time.Now)
	command.SetArgs([]string{"force-promotion", "orders", "orders-2", "--accept-data-loss", "yes"})
	err := command.Execute()
	if Code(err) != CodeRefused || !strings.Contains(err.Error(), `--accept-data-loss "I accept that promoting orders-2 loses what orders acknowledged and it has not received"`) {
		t.Errorf("%d: %v", Code(err), err)
	}
}

func TestWrongArgumentsEndWithAnErrorOfTheirOwn(t *testing.T) {
	for _, args := range [][]string{{"switchover"}, {"reinit", "orders"}, {"restart", "a", "b", "c"}, {"promote", "orders"}, {"status", "orders", "--no-such"}} {
		command := Command(time.Now)
		command.SetArgs(args)
		if err := command.Execute(); Code(err) != CodeError || err.Error() == "" {
			t.Errorf("%v: %d %v", args, Code(err), err)
		}
	}
}

func TestUnderItsSecondNameItSuggestsHowToGoOn(t *testing.T) {
	for _, tc := range []struct{ called, want string }{
		{"/usr/local/bin/kubectl-timonier status orders", "status orders"},
		{"/usr/local/bin/kubectl_complete-timonier switchover or", "__complete switchover or"},
	} {
		if got := strings.Join(Arguments(strings.Fields(tc.called)), " "); got != tc.want {
			t.Errorf("%s: %q", tc.called, got)
		}
	}
	command := Command(time.Now)
	var out strings.Builder
	command.SetOut(&out)
	command.SetArgs(Arguments([]string{"kubectl_complete-timonier", "re"}))
	if err := command.Execute(); err != nil || !strings.Contains(out.String(), "reinit\t") || !strings.Contains(out.String(), "restart\t") || strings.Contains(out.String(), "status") {
		t.Errorf("%v: %s", err, out.String())
	}
}
