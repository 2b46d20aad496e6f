// Package desired builds the Kubernetes objects of a PostgresCluster: pure
// functions from facts to apply configurations, one file per kind of object,
// with golden YAML files that show each as it is sent. Nothing is read here, and
// nothing is decided: the facts come from the controller.
package desired

import (
	"maps"

	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// Cluster is what all builders need to know.
type Cluster struct {
	Name      string
	Namespace string
	UID       types.UID
	Spec      v1alpha1.PostgresClusterSpec
}

// Of takes the facts out of a PostgresCluster.
func Of(cluster *v1alpha1.PostgresCluster) Cluster {
	return Cluster{Name: cluster.Name, Namespace: cluster.Namespace, UID: cluster.UID, Spec: cluster.Spec}
}

// labels of a child: the user's, and ours over them.
func (c Cluster) labels(more map[string]string) map[string]string {
	labels := maps.Clone(c.Spec.Metadata.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[naming.LabelCluster] = c.Name
	labels[naming.LabelManagedBy] = naming.ManagedBy
	if c.Spec.Team != "" {
		labels[naming.LabelTeam] = c.Spec.Team
	}
	maps.Copy(labels, more)
	return labels
}

// annotations of a child: the user's, and more over them.
func (c Cluster) annotations(more map[string]string) map[string]string {
	annotations := maps.Clone(c.Spec.Metadata.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, more)
	return annotations
}

// owner makes a child go when the cluster goes.
func (c Cluster) owner() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("PostgresCluster").
		WithName(c.Name).WithUID(c.UID).
		WithController(true).WithBlockOwnerDeletion(true)
}
