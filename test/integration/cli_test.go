//go:build integration

package integration

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/cli"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// kubeconfigFile by which a person reaches the API server of these tests.
func kubeconfigFile(t *testing.T) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["tests"] = &clientcmdapi.Cluster{Server: server.config.Host, CertificateAuthorityData: server.config.CAData}
	config.AuthInfos["tests"] = &clientcmdapi.AuthInfo{ClientCertificateData: server.config.CertData, ClientKeyData: server.config.KeyData}
	config.Contexts["tests"] = &clientcmdapi.Context{Cluster: "tests", AuthInfo: "tests", Namespace: "shop"}
	config.CurrentContext = "tests"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// typed is what a person at a terminal is shown, and how the program ends.
func typed(ctx context.Context, kubeconfig string, args ...string) (shown string, err error) {
	command := cli.Command(time.Now)
	var out strings.Builder
	command.SetOut(&out)
	command.SetArgs(append(args, "--kubeconfig", kubeconfig))
	err = command.ExecuteContext(ctx)
	return out.String(), err
}

func TestAPersonAtATerminalOperatesACluster(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "desk", 91)
	kubeconfig := kubeconfigFile(t)
	w.instances["desk-1"].will(instanceapi.PathSwitchover, func(*instance, []byte) *instanceapi.RefusedError {
		go w.leads(t, "desk-2")
		return nil
	})
	eventually(t, "the cluster shows its term", func() bool {
		shown := exists[v1alpha1.PostgresCluster](t, c, "desk").Status.Availability
		return shown != nil && shown.Term > 0
	})

	shown, err := typed(t.Context(), kubeconfig, "switchover", "desk", "--to", "desk-2")
	if cli.Code(err) != 0 || !strings.Contains(shown, "Switchover is asked for: kubectl -n shop get pgop desk-switchover-") || !strings.Contains(shown, "desk-2 leads since term") {
		t.Errorf("%v:\n%s", err, shown)
	}
	shown, err = typed(t.Context(), kubeconfig, "switchover", "desk", "--to", "desk-9")
	if cli.Code(err) != cli.CodeRefused || !strings.Contains(shown, "desk has no instance desk-9") {
		t.Errorf("%v:\n%s", err, shown)
	}
	w.instances["desk-2"].will(instanceapi.PathSwitchover, refusing(http.StatusConflict, "Lagging"))
	if shown, err = typed(t.Context(), kubeconfig, "switchover", "desk"); cli.Code(err) != cli.CodeFailed || !strings.Contains(err.Error(), "Lagging") {
		t.Errorf("%v:\n%s", err, shown)
	}
	w.instances["desk-3"].will(instanceapi.PathReinitialize, func(*instance, []byte) *instanceapi.RefusedError { return nil })
	if shown, err = typed(t.Context(), kubeconfig, "reinit", "desk", "desk-3", "--timeout", "3s"); cli.Code(err) != cli.CodeTimeout || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("%v:\n%s", err, shown)
	}
	shown, err = typed(t.Context(), kubeconfig, "status", "desk")
	if cli.Code(err) != 0 && cli.Code(err) != cli.CodeFailed {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"shop/desk: PostgreSQL 17", "Primary  desk-2, in term 3", "Operation desk-reinitialize-", "desk-3    Standby  Streaming"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is missing:\n%s", want, shown)
		}
	}
	if _, err = typed(t.Context(), kubeconfig, "status", "nobody"); cli.Code(err) != cli.CodeError || !strings.Contains(err.Error(), "there is no PostgresCluster nobody in the namespace shop") {
		t.Errorf("%v", err)
	}
}

// What the operator cannot know the instance does: whom it reaches, and who votes.
func TestAPersonWhoForcesAPromotionIsToldWhyTheInstanceRefuses(t *testing.T) {
	c := operatorRuns(t)
	w := trioOf(t, c, "last", 99)
	kubeconfig := kubeconfigFile(t)
	w.leads(t, "")
	for _, reason := range []string{v1alpha1.ReasonVotesEnough, v1alpha1.ReasonLeaderReachable} {
		w.instances["last-2"].will(instanceapi.PathForce, refusing(http.StatusConflict, reason))
		shown, err := typed(t.Context(), kubeconfig, "force-promotion", "last", "last-2", "--accept-data-loss", "I accept that promoting last-2 loses what last acknowledged and it has not received")
		if cli.Code(err) != cli.CodeFailed || err.Error() != "failed: "+reason || !strings.Contains(shown, "last-2 refuses: the test's instance has its reasons") {
			t.Errorf("%v:\n%s", err, shown)
		}
	}
}

func TestTheTabKeySuggestsWhatThereIs(t *testing.T) {
	c := operatorRuns(t)
	trioOf(t, c, "tab", 97)
	kubeconfig := kubeconfigFile(t)
	eventually(t, "the cluster tells of its instances", func() bool {
		status := exists[v1alpha1.PostgresCluster](t, c, "tab").Status
		return status.Primary == "tab-1" && len(status.Instances) == 3
	})
	for line, want := range map[string]string{
		"switchover ":          "tab",
		"status ":              "tab",
		"switchover tab --to ": "tab-2 tab-3",
		"restart tab ":         "tab-1 tab-2 tab-3",
		"reinit tab ":          "tab-2 tab-3",
		"force-promotion tab ": "tab-2 tab-3",
		"restart absent ":      "",
		"status tab ":          "",
	} {
		args := append([]string{cobra.ShellCompRequestCmd, "--kubeconfig", kubeconfig}, strings.Split(line, " ")...)
		command := cli.Command(time.Now)
		var out strings.Builder
		command.SetOut(&out)
		command.SetArgs(args)
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var found []string
		for suggestion := range strings.Lines(out.String()) {
			if name, _, described := strings.Cut(suggestion, "\t"); described && strings.HasPrefix(name, "tab") {
				found = append(found, name)
			}
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("after %q it suggests %q, not %q: %s", line, got, want, out.String())
		}
	}
}
