package postgrescluster

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// checkImage asks a new image what version of PostgreSQL is in it, by running it once, before any pod is stopped for
// it. An image that cannot be pulled or run is found out in the same way, while all instances go on.
func (r *Reconciler) checkImage(ctx context.Context, s *scope) error {
	if version := s.runningVersion(); version != "" {
		s.checked = &v1alpha1.ImageStatus{Reference: s.image, Version: version}
	} else if known := s.cluster.Status.Image; known != nil && known.Reference == s.image && known.Version != "" {
		s.checked = known
	}
	if s.checked != nil || !s.runsOtherImage() {
		return r.removeImageCheck(ctx, s)
	}
	want := desired.ImageCheckPod(s.desired, r.podInput(s, ""))
	pod := s.observed.imageCheck
	switch {
	case pod == nil:
		if err := r.applier().Create(ctx, s.owner, want); err != nil {
			return err
		}
		return reconcile.Wait(0, v1alpha1.ReasonRolling, "the image %s is asked for its version of PostgreSQL", s.image)
	case pod.Annotations[naming.AnnotationPodHash] != want.Annotations[naming.AnnotationPodHash]:
		if err := r.removeImageCheck(ctx, s); err != nil {
			return err
		}
		return reconcile.Wait(0, v1alpha1.ReasonRolling, "the image %s is to be asked for its version of PostgreSQL", s.image)
	}
	version, err := imageVersion(pod, s.image, s.cluster.Spec.Version)
	if err != nil {
		return err
	}
	s.checked = &v1alpha1.ImageStatus{Reference: s.image, Version: version}
	return r.removeImageCheck(ctx, s)
}

// runningVersion is what an instance that already runs the image says.
func (s *scope) runningVersion() string {
	for name, pod := range s.observed.pods {
		instance := s.observed.instances[name]
		if instance.Answers() && instance.Status.Postgres != nil && postgresImage(pod) == s.image {
			return instance.Status.Postgres.Version
		}
	}
	return ""
}

func (s *scope) runsOtherImage() bool {
	for _, pod := range s.observed.pods {
		if postgresImage(pod) != s.image {
			return true
		}
	}
	return false
}

func postgresImage(pod *corev1.Pod) string {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == desired.ContainerPostgres {
			return pod.Spec.Containers[i].Image
		}
	}
	return ""
}

// imageVersion is what the pod found; a *WaitError while it runs, a *StalledError where the image is of no use.
func imageVersion(pod *corev1.Pod, image, wanted string) (string, error) {
	if problem := imagePullProblem(pod); problem != "" {
		return "", reconcile.Stalled(v1alpha1.ReasonImagePull,
			"image %s cannot be pulled: %s. All instances go on with their present image; correct spec.image or the Platform's catalogue, or spec.imagePullSecrets", image, problem)
	}
	if problem := unschedulable(pod); problem != "" {
		return "", reconcile.Stalled(v1alpha1.ReasonUnschedulable,
			"no node takes the pod %s, that asks the image %s for its version: %s. All instances go on; check spec.scheduling", pod.Name, image, problem)
	}
	message, failed := "", pod.Status.Phase == corev1.PodFailed
	for _, status := range pod.Status.ContainerStatuses {
		if status.State.Terminated != nil {
			message = status.State.Terminated.Message
		}
	}
	if failed {
		return "", reconcile.Stalled(v1alpha1.ReasonImageVersion,
			"image %s has no usable PostgreSQL %s: %s. All instances go on with their present image; choose another one", image, wanted, reconcile.Brief(message))
	}
	if pod.Status.Phase != corev1.PodSucceeded {
		// The pod's end is an event.
		return "", reconcile.Wait(0, v1alpha1.ReasonRolling, "the image %s is asked for its version of PostgreSQL", image)
	}
	var answer struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal([]byte(message), &answer); err != nil {
		return "", fmt.Errorf("the answer of pod %s is not what was expected: %w", pod.Name, err)
	}
	found, err := postgres.ParseVersion(answer.Version)
	if err != nil || found.MajorString() != wanted {
		return "", reconcile.Stalled(v1alpha1.ReasonImageVersion,
			"image %s holds PostgreSQL %s, and spec.version asks for %s. All instances go on with their present image; choose an image of that version", image, answer.Version, wanted)
	}
	return found.String(), nil
}

func (r *Reconciler) removeImageCheck(ctx context.Context, s *scope) error {
	if s.observed.imageCheck == nil || !s.observed.imageCheck.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := reconcile.IgnoreLeftAlone(client.IgnoreNotFound(r.Client.Delete(ctx, s.observed.imageCheck))); err != nil {
		return fmt.Errorf("removing pod %s: %w", s.observed.imageCheck.Name, err)
	}
	return nil
}
