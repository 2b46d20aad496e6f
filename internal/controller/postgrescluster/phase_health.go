package postgrescluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// judgeHealth looks at every instance that is to run. What a person must act on is told before what comes by itself.
func (r *Reconciler) judgeHealth(ctx context.Context, s *scope) error {
	var waiting error
	for _, name := range s.names(s.members.run) {
		patient, err := r.patient(ctx, s, name)
		if err != nil {
			return err
		}
		err = diagnose(patient)
		var stalled *reconcile.StalledError
		if errors.As(err, &stalled) {
			s.sick = stalled
			return err
		}
		if waiting == nil {
			waiting = err
		}
	}
	if waiting != nil {
		return waiting
	}
	if s.instancesWanted() > 0 && s.leader() == "" {
		// The Lease is not watched here.
		return reconcile.Wait(soon, v1alpha1.ReasonNoPrimary, "no instance leads yet")
	}
	if synchronous := decideSynchronous(s.replication()); unsettledQuorum(synchronous) != "" {
		// What the leader publishes is an event; who streams is not.
		return reconcile.Wait(soon, synchronous.Reason, "%s", unsettledQuorum(synchronous))
	}
	if s.members.hearing {
		return reconcile.Wait(soon, v1alpha1.ReasonRecovering, "all volumes are heard before one leads")
	}
	return nil
}

func (r *Reconciler) patient(ctx context.Context, s *scope, name string) (patient, error) {
	p := patient{name: name, pod: s.observed.pods[name], instance: s.observed.instances[name]}
	if p.pod == nil || p.pod.Spec.NodeName == "" || p.instance.Answers() {
		return p, nil
	}
	node := &corev1.Node{}
	err := r.Live.Get(ctx, client.ObjectKey{Name: p.pod.Spec.NodeName}, node)
	switch {
	case apierrors.IsNotFound(err):
		p.nodeGone = true
	case err != nil:
		return p, fmt.Errorf("node of %s: %w", name, err)
	default:
		p.node = node
	}
	return p, nil
}
