package postgrescluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// checkPullSecrets tells of a Secret for a registry that is missing, before a pod waits for it without a word: the kubelet
// leaves it out and reports what the registry says to a stranger. No pod is stopped for it (replacePod), and one that is
// missing is made all the same: its node may have the image.
func (r *Reconciler) checkPullSecrets(ctx context.Context, s *scope) error {
	if s.instancesWanted() == 0 {
		return nil
	}
	for i, reference := range s.cluster.Spec.ImagePullSecrets {
		s.due(s.now.Add(givenSecretsEvery))
		given := &corev1.Secret{}
		err := r.Live.Get(ctx, s.key(reference.Name), given)
		switch {
		case apierrors.IsNotFound(err):
			s.withheld = reconcile.Stalled(v1alpha1.ReasonSecretMissing,
				"spec.imagePullSecrets[%d]: there is no Secret %s in namespace %s; create it with `kubectl create secret docker-registry`. Pods that run go on",
				i, reference.Name, s.cluster.Namespace)
			return s.withheld
		case err != nil:
			return fmt.Errorf("secret %s for pulling images: %w", reference.Name, err)
		case len(given.Data[corev1.DockerConfigJsonKey])+len(given.Data[corev1.DockerConfigKey]) == 0:
			s.withheld = reconcile.Stalled(v1alpha1.ReasonSecretMissing,
				"spec.imagePullSecrets[%d]: Secret %s has no key `%s`; make it with `kubectl create secret docker-registry`. Pods that run go on",
				i, reference.Name, corev1.DockerConfigJsonKey)
			return s.withheld
		}
	}
	return nil
}
