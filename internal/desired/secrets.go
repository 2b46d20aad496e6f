package desired

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/timonier-io/timonier/internal/naming"
)

// Values of naming.LabelComponent.
const (
	ComponentInstance     = "instance"
	ComponentImageCheck   = "image-check"
	ComponentCredentials  = "credentials"
	ComponentCertificates = "certificates"
)

// Secret that belongs to the cluster, with these contents.
func Secret(c Cluster, name, component string, data map[string][]byte) *corev1ac.SecretApplyConfiguration {
	return corev1ac.Secret(name, c.Namespace).
		WithLabels(c.labels(map[string]string{naming.LabelComponent: component})).
		WithAnnotations(c.annotations(nil)).WithOwnerReferences(c.owner()).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}
