//go:build e2e

package e2e

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// secretAt is where a client's pod has its role's Secret.
const secretAt = "/secret"

// restricted is what the restricted Pod Security standard asks of a container.
func restricted(user int64) *corev1.SecurityContext {
	yes, no := true, false
	return &corev1.SecurityContext{
		RunAsUser: &user, RunAsNonRoot: &yes, ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// client starts a pod that has psql and a role's Secret, and knows nothing else of the cluster.
func (c *cluster) client(role string) string {
	c.t.Helper()
	name := "client-" + role
	secret := naming.RoleSecret(c.name, role)
	var env []corev1.EnvVar
	for variable, key := range map[string]string{"URI": "uri", "USERNAME": "username", "PGPASSWORD": "password", "DATABASE": "dbname"} {
		env = append(env, corev1.EnvVar{Name: variable, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}}})
	}
	env = append(env, corev1.EnvVar{Name: "PGSSLROOTCERT", Value: secretAt + "/ca.crt"}, corev1.EnvVar{Name: "PGCONNECT_TIMEOUT", Value: "5"})
	c.startPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{
				Name: "client", Image: postgresImage, Command: []string{"sleep", "3600"}, Env: env,
				SecurityContext: restricted(4321),
				VolumeMounts:    []corev1.VolumeMount{{Name: "secret", MountPath: secretAt}},
			}},
			Volumes: []corev1.Volume{{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}},
		},
	})
	return name
}

// startPod makes a pod, and waits until it runs.
func (s *space) startPod(pod *corev1.Pod) {
	s.t.Helper()
	no, zero := false, int64(0)
	pod.Spec.AutomountServiceAccountToken = &no
	pod.Spec.TerminationGracePeriodSeconds = &zero
	s.make(pod)
	waitRunning(s.t, s, pod.Name)
}

func waitRunning(t *testing.T, s *space, name string) {
	t.Helper()
	eventually(t, 2*time.Minute, "pod "+name+" runs", func() error {
		found := &corev1.Pod{}
		if err := s.find(name, found); err != nil {
			return err
		}
		for _, status := range found.Status.ContainerStatuses {
			if status.State.Running != nil {
				return nil
			}
		}
		return errors.New("it is " + string(found.Status.Phase))
	})
}

// shell runs a shell command in a pod.
func (s *space) shell(pod, script string) (string, error) {
	return s.exec(pod, "sh", "-c", script)
}
