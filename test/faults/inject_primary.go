package faults

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

func switchover(ctx context.Context, t *Target) error { return t.askForSwitchover(ctx, "") }

func deletePod(ctx context.Context, t *Target) error { return t.api.Delete(ctx, t.Pods[t.Primary]) }

func forceDeletePod(ctx context.Context, t *Target) error {
	return t.api.Delete(ctx, t.Pods[t.Primary], client.GracePeriodSeconds(0))
}

func killPostmaster(_ context.Context, t *Target) error { return kill(t.Pods[t.Primary], postmaster) }

func killManager(_ context.Context, t *Target) error { return kill(t.Pods[t.Primary], manager) }

func isolateNode(ctx context.Context, t *Target) error {
	node := t.Node(t.Primary)
	t.OnHeal(func(ctx context.Context) error { return t.localcluster(ctx, "node", "rejoin", node) })
	return t.localcluster(ctx, "node", "isolate", node)
}

func stopNode(ctx context.Context, t *Target) error {
	node := t.Node(t.Primary)
	t.OnHeal(func(ctx context.Context) error { return t.localcluster(ctx, "node", "start", node) })
	return t.localcluster(ctx, "node", "stop", node)
}

func freezePrimary(_ context.Context, t *Target) error {
	thaw, err := freeze(t.Pods[t.Primary])
	if err != nil {
		return err
	}
	t.OnHeal(func(context.Context) error { return thaw() })
	return nil
}

func wipePrimary(ctx context.Context, t *Target) error { return wipe(ctx, t, t.Primary) }

func stallVolume(ctx context.Context, t *Target) error {
	claim := t.Claim(t.Primary)
	t.OnHeal(func(ctx context.Context) error { return t.localcluster(ctx, "volume", "release", claim) })
	return t.localcluster(ctx, "volume", "stall", claim)
}
