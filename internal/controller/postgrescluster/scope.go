package postgrescluster

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// scope is one reconcile of one cluster: what was asked, what was seen, and what the phases found out.
type scope struct {
	// cluster as it was read; only report writes to its status.
	cluster *v1alpha1.PostgresCluster
	desired desired.Cluster
	owner   reconcile.Owner
	now     time.Time

	observed observed
	// steering says who steers the cluster.
	steering steering
	// members are the instances that are to exist, by decideMembers.
	members membership
	// image that pods are to run, "" where none is known.
	image string

	// found by phases, for the report.
	// access is nil where no leader was asked.
	access *instanceapi.AccessReport
	// verifiers of passwords, by role.
	verifiers map[string]string
	// sick is what keeps an instance from serving until a person acts; nil where nothing does.
	sick *reconcile.StalledError
	// rejected counts once configured says that the rollout has looked; nil for nothing.
	configured bool
	rejected   *v1alpha1.RejectedParameters
	checked    *v1alpha1.ImageStatus
	// withheld is why no pod is stopped for another one; nil where nothing speaks against it.
	withheld error
	// drift from what Timonier would have, as it was found when the cluster or a child was handed back; drifted once that was looked for.
	drift   []contract.Drift
	drifted bool
	// told is what is handed back and not yet put back, nil for nothing. held are the children of it that stay left alone, as resumePolicy Report asks.
	told *v1alpha1.ToldDrift
	held []string
	// tells: this round tells the drift, and does nothing else.
	tells bool
	// renewal is the operation by which certificates are issued anew now, nil for none; renewed once they are.
	renewal *v1alpha1.PostgresOperation
	renewed bool
	// certificates are what was found out of them.
	certificates certificates
	// parsed has what Secrets of ours hold, as contentOf read it.
	parsed map[*corev1.Secret]any
	// leftAlone are children that an override of the Platform names, as Service/shop-rw.
	leftAlone []string
	// guarded are children that are left alone for this whole round, and by what.
	guarded map[management.Resource]string
	// made are instances whose pod was made in this round.
	made map[string]bool
	// removed: all is taken away that was to go. dataGone: the volumes too, so that nothing ties the cluster to a system any more.
	removed, dataGone bool
	// referenced is a hash of the Secrets that the spec names, "" where nobody looked.
	referenced string
	// failures that are known of the cluster, with those of this round.
	failures contract.FailureStatus
	// next is when something is due that no event tells of; zero for never.
	next time.Time
	// notes for people, that become events.
	notes []note
}

// observed is all that was read.
type observed struct {
	// pods of instances, and claims of volumes, by name. Never nil entries.
	pods   map[string]*corev1.Pod
	claims map[string]*corev1.PersistentVolumeClaim
	// secrets that are ours, by name.
	secrets map[string]*corev1.Secret
	// services at which clients reach the cluster, by name.
	services map[string]*corev1.Service
	// imageCheck is the pod that asks a new image for its version, or nil.
	imageCheck *corev1.Pod
	// lease is nil where there is none; record is its content as far as it counts.
	lease  *coordinationv1.Lease
	record election.Record
	// operation that runs on the cluster, "" for none.
	operation string
	// platform is what the Platform says; empty where there is none.
	platform platformv1alpha1.PlatformSpec
	// catalogue of images, by major version.
	catalogue map[string]string
	// instances as they told of themselves just now.
	instances map[string]contact.Instance
}

// instancesWanted is spec.instances with its default. While the cluster is left alone it is what was wanted before: what has been changed since is not answered, so that
// nothing is missing for it.
func (s *scope) instancesWanted() int {
	if wanted, known := wantedBefore(s.cluster.Status.Summary.Instances); known && s.steering.state == contract.Unmanaged {
		return wanted
	}
	if s.cluster.Spec.Instances == nil {
		return 3
	}
	return int(*s.cluster.Spec.Instances)
}

// leader is the instance that leads and takes writes, "" where none does.
func (s *scope) leader() string { return contact.Leader(s.observed.record, s.observed.instances) }

// system is the identifier of the PostgreSQL system, "" where none was created yet.
func (s *scope) system() string {
	if _, marked := s.observed.record.Bootstraps(); !marked && s.observed.record.System != "" {
		return s.observed.record.System
	}
	return s.cluster.Status.SystemIdentifier
}

// ordinals of this cluster's instances among these names.
func (s *scope) ordinals(names []string) []int {
	var ordinals []int
	for _, name := range names {
		if n, ok := naming.Ordinal(s.cluster.Name, name); ok {
			ordinals = append(ordinals, n)
		}
	}
	return ordinals
}

// due says that something must be looked at again at this time.
func (s *scope) due(at time.Time) {
	if !at.IsZero() && (s.next.IsZero() || at.Before(s.next)) {
		s.next = at
	}
}
