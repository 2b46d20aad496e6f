//go:build cluster

package running

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

func TestANamespaceThatEnforcesRestrictedRefusesARootPodAndRunsARestrictedOne(t *testing.T) {
	n := testcluster.NewNamespace(t)
	testcluster.Kubectl(t, "label", "namespace", n.Name, "pod-security.kubernetes.io/enforce=restricted")
	_, err := n.Try("run", "root", "--image", testcluster.Image, "--command", "--", "sleep", "100000")
	if err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
		t.Errorf("a pod that asks for nothing was let in: %v", err)
	}

	n.Claim("data", "standard", "320Mi")
	n.Apply(`
apiVersion: v1
kind: Pod
metadata: {name: restricted}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 4711, fsGroup: 4711, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 0
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
  containers:
  - name: main
    image: ` + testcluster.Image + `
    command: [sleep, "100000"]
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data}]
`)
	n.Running("restricted")
	n.Sh("restricted", "echo mine > /data/file") // fsGroup made the volume writable
}
