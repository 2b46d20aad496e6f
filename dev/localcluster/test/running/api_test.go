//go:build cluster

package running

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

const apiAddress = "10.90.0.1:6443"

func TestAStoppedAPIServerRefusesConnectionsAndComesBackWithItsObjects(t *testing.T) {
	n := testcluster.NewNamespace(t)
	n.Kubectl("create", "configmap", "memory", "--from-literal=kept=yes")

	testcluster.Localcluster(t, "api", "stop")
	t.Cleanup(func() { testcluster.Localcluster(t, "api", "start") })
	if answers(apiAddress) {
		t.Error("the API server still accepts connections")
	}
	if status := testcluster.Localcluster(t, "status"); !strings.Contains(status, "stopped") {
		t.Errorf("status does not show that the API server is stopped:\n%s", status)
	}

	testcluster.Localcluster(t, "api", "start")
	if kept := n.Kubectl("get", "configmap", "memory", "-o", "jsonpath={.data.kept}"); kept != "yes" {
		t.Errorf("the object came back as %q", kept)
	}
	n.Run(testcluster.Pod{Name: "after"}) // scheduler, controllers and kubelets are at work again
}

func TestAFrozenAPIServerAcceptsConnectionsAndAnswersWhenThawed(t *testing.T) {
	n := testcluster.NewNamespace(t)
	testcluster.Localcluster(t, "api", "freeze")
	t.Cleanup(func() { testcluster.Localcluster(t, "api", "thaw") })

	connection, err := net.DialTimeout("tcp", apiAddress, time.Second)
	if err != nil {
		t.Fatalf("the frozen API server refuses connections: %v", err)
	}
	connection.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := testcluster.TryKubectl(ctx, "", "get", "--raw", "/readyz"); err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("the frozen API server answers: %v", err)
	}

	testcluster.Localcluster(t, "api", "thaw")
	testcluster.Eventually(t, 10*time.Second, "the API server answers", func() error {
		_, err := n.Try("get", "pods")
		return err
	})
}
