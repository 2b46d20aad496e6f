//go:build integration

package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/cli"
	"github.com/timonier-io/timonier/internal/naming"
)

// shows what a command prints that is to end well.
func shows(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	shown, err := typed(t.Context(), kubeconfig, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, shown)
	}
	return shown
}

func TestAPersonReleasesOneSomeOrAllThatAreInQuarantine(t *testing.T) {
	c := operatorRuns(t)
	kubeconfig := kubeconfigFile(t)
	names := []string{"freed", "freed-gold", "freed-rest"}
	var lifts []func()
	for _, name := range names {
		lifts = append(lifts, forbidden(t, c, name+"-ro"))
		asked(t, c, name, "instances: 1")
	}
	target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "freed-gold"}}
	if err := c.Patch(t.Context(), target, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"tier":"gold"}}}`))); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		quarantined(t, c, name)
	}
	if shown, err := typed(t.Context(), kubeconfig, "status", "freed"); cli.Code(err) != cli.CodeFailed || !strings.Contains(shown, "!!  Quarantined") {
		t.Errorf("%v:\n%s", err, shown)
	}
	for _, lift := range lifts {
		lift()
	}
	// suspended tells of each whether it is still in quarantine.
	suspended := func(name string) bool {
		return len(exists[v1alpha1.PostgresCluster](t, c, name).Status.Quarantine) > 0
	}
	free := func(name string) {
		t.Helper()
		eventually(t, name+" is free", func() bool { return !suspended(name) })
		exists[corev1.Service](t, c, name+"-ro")
	}
	for _, args := range [][]string{{"release"}, {"release", "freed", "--all"}, {"release", "-l", "tier=gold", "--all"}, {"release", "freed", "-A"}, {"release", "-A"}} {
		if shown, err := typed(t.Context(), kubeconfig, args...); cli.Code(err) != cli.CodeError {
			t.Errorf("%v: %v\n%s", args, err, shown)
		}
	}

	if shown := shows(t, kubeconfig, "release", "freed"); !strings.Contains(shown, "freed: phase network is tried again; it failed 1") {
		t.Errorf("one: %s", shown)
	}
	free("freed")
	if !suspended("freed-gold") || !suspended("freed-rest") {
		t.Error("others were released with it")
	}
	if shown := shows(t, kubeconfig, "release", "freed"); shown != "nothing of freed is in quarantine\n" {
		t.Errorf("once more: %s", shown)
	}
	if shown := shows(t, kubeconfig, "release", "-l", "tier=gold"); !strings.Contains(shown, "freed-gold: phase network") || strings.Contains(shown, "freed-rest") {
		t.Errorf("by selector: %s", shown)
	}
	free("freed-gold")
	if !suspended("freed-rest") {
		t.Error("one that the selector does not find was released")
	}
	if shown := shows(t, kubeconfig, "release", "--all", "-n", "default"); shown != "nothing is in quarantine\n" {
		t.Errorf("all of another namespace: %s", shown)
	}
	if shown := shows(t, kubeconfig, "release", "--all", "-A", "-n", "default"); !strings.Contains(shown, "shop/freed-rest: phase network") || strings.Contains(shown, "freed-gold") {
		t.Errorf("all of all namespaces: %s", shown)
	}
	free("freed-rest")
	if shown := shows(t, kubeconfig, "release", "--all"); shown != "nothing is in quarantine\n" {
		t.Errorf("all, once more: %s", shown)
	}
}

func TestAPersonSeesWhatWasChangedHandsOffBeforeAndAfterItIsPutBack(t *testing.T) {
	c := operatorRuns(t)
	kubeconfig := kubeconfigFile(t)
	asked(t, c, "strayed", "instances: 1")
	exists[corev1.Pod](t, c, "strayed-1")
	exists[corev1.Service](t, c, "strayed-rw")
	unmanaged(t, c, "strayed")
	aPersonChanges(t, c, "strayed-rw")
	if shown := shows(t, kubeconfig, "drift", "strayed"); !strings.Contains(shown, "strayed is left alone, by spec.managementState") || !strings.Contains(shown, "set spec.resumePolicy to Report") {
		t.Errorf("hands off: %s", shown)
	}
	if shown, err := typed(t.Context(), kubeconfig, "restart", "strayed"); cli.Code(err) != cli.CodeTimeout || !strings.Contains(err.Error(), "is begun when the cluster is managed again") || !strings.Contains(shown, "left alone, by spec.managementState") {
		t.Errorf("a restart, hands off: %v\n%s", err, shown)
	}

	specified(t, c, "strayed", `{"managementState":"Managed","resumePolicy":"Report"}`)
	managed(t, c, "strayed", metav1.ConditionFalse, v1alpha1.ReasonDriftReported)
	shown := shows(t, kubeconfig, "drift", "strayed")
	for _, want := range []string{"CHILD", "Service/strayed-rw", "1234", "5432", "Nothing is done about it until spec.resumePolicy is Enforce."} {
		if !strings.Contains(shown, want) {
			t.Errorf("reported: %q is missing:\n%s", want, shown)
		}
	}
	specified(t, c, "strayed", `{"resumePolicy":"Enforce"}`)
	eventually(t, "it is put back", func() bool { return port(t, c, "strayed-rw") == naming.PortPostgres })
	managed(t, c, "strayed", metav1.ConditionTrue, v1alpha1.ReasonManaged)
	if shown := shows(t, kubeconfig, "drift", "strayed"); !strings.Contains(shown, "Service/strayed-rw") || !strings.Contains(shown, "What Timonier keeps of it was put back.") {
		t.Errorf("put back: %s", shown)
	}
}
