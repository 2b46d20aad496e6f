package postgrescluster

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// uploadWithin bounds sending the instance manager to a pod: some twenty megabytes within a Kubernetes cluster.
const uploadWithin = 60 * time.Second

// Program is the instance manager in the operator's image.
type Program struct {
	// Hash is its SHA-256, in hex.
	Hash string
	// Size in bytes.
	Size int64
	// Open it for reading.
	Open func() (io.ReadCloser, error)
}

// replaceManagers sends the operator's own build of the instance manager to instances that run another one. They
// replace themselves by exec: postgres, its connections and their transactions go on. One at a time, standbys first.
func (r *Reconciler) replaceManagers(ctx context.Context, s *scope) error {
	names := append(s.standbys(), s.observed.record.Holder)
	var left untouched
	for _, name := range names {
		instance := s.observed.instances[name]
		if !instance.Answers() || instance.Status.Manager.Hash == r.ManagerProgram.Hash || !replaceable(instance.Status.State) {
			continue
		}
		if by := s.alone(kindPod, name); by != "" {
			left.leave(fmt.Sprintf("the instance manager of %s is not replaced, and stays at version %s", name, instance.Status.Manager.Version), by)
			continue
		}
		if s.observed.operation != "" {
			// Its end is an event of its own, not of the cluster.
			return reconcile.Wait(soon, v1alpha1.ReasonRolling, "the instance manager of %s is replaced when the operation %s has ended", name, s.observed.operation)
		}
		if err := r.replaceManager(ctx, instance); err != nil {
			return fmt.Errorf("replacing the instance manager of %s: %w", name, unlessBusy(err))
		}
		s.note(fmt.Sprintf("the instance manager of %s is replaced, from version %s; postgres goes on", name, instance.Status.Manager.Version), v1alpha1.ReasonRolling)
		// When it answers again shows in its own status alone.
		return reconcile.Wait(soon, v1alpha1.ReasonRolling, "the instance manager of %s is being replaced; postgres goes on", name)
	}
	return left.stalls()
}

// replaceable tells whether an instance is at rest. One that clones or starts would have to begin again.
func replaceable(state instanceapi.State) bool {
	switch state {
	case instanceapi.StateRunning, instanceapi.StateStreaming, instanceapi.StateFollowing:
		return true
	default:
		return false
	}
}

func (r *Reconciler) replaceManager(ctx context.Context, instance contact.Instance) error {
	program, err := r.ManagerProgram.Open()
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }() // only read
	ctx, cancel := context.WithTimeout(ctx, uploadWithin)
	defer cancel()
	_, err = instance.Client.Replace(ctx, program, r.ManagerProgram.Size, r.ManagerProgram.Hash)
	return err
}

// standbys are all instances that were asked but the holder, in their order.
func (s *scope) standbys() []string {
	var names []string
	for _, name := range sortedKeys(s.observed.instances) {
		if name != s.observed.record.Holder {
			names = append(names, name)
		}
	}
	return names
}
