package main

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/naming"
)

// leaseSeconds is the default of spec.availability.leaseDurationSeconds.
const leaseSeconds = 10

// lead writes the Lease as the first instance does once it leads, and does nothing a second time. It comes before any
// instance answers: one that says that it has data, beside a Lease that still lets somebody create it, is a case for the operator.
func lead(ctx context.Context, kube client.Client, c *cluster) error {
	c.leading.Lock()
	defer c.leading.Unlock()
	if c.led {
		return nil
	}
	lease := &coordinationv1.Lease{}
	if err := kube.Get(ctx, types.NamespacedName{Namespace: c.key.Namespace, Name: naming.Lease(c.key.Name)}, lease); err != nil {
		return fmt.Errorf("reading the Lease of %s: %w", c.key, err)
	}
	if err := publish(c, lease, time.Now()); err != nil {
		return fmt.Errorf("the Lease of %s: %w", c.key, err)
	}
	if err := kube.Update(ctx, lease); err != nil {
		return fmt.Errorf("writing the Lease of %s: %w", c.key, err)
	}
	c.led = true
	return nil
}

// publish in a Lease what its leader says of itself. The API counts in microseconds.
func publish(c *cluster, lease *coordinationv1.Lease, now time.Time) error {
	now = now.Truncate(time.Microsecond)
	record := c.record(now)
	fields, err := election.Encode(record, election.Fields{LeaseDurationSeconds: leaseSeconds, RenewTime: now, Annotations: lease.Annotations})
	if err != nil {
		return err
	}
	seconds, transitions, renewed := int32(leaseSeconds), int32(term), metav1.NewMicroTime(now)
	lease.Annotations = fields.Annotations
	lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = &record.Holder, &transitions
	lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &seconds, &renewed
	return nil
}
