package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/naming"
)

func freezeAPI(ctx context.Context, t *Target) error {
	t.OnHeal(func(ctx context.Context) error { return t.localcluster(ctx, "api", "thaw") })
	return t.localcluster(ctx, "api", "freeze")
}

// mostConnections is more than any cluster under test allows.
const mostConnections = 1000

// exhaustConnections opens connections until the primary says that there are too many. They go to its pod: the way in by a
// node translates addresses, and leads a connection astray that has the source port of one whose server vanished in the last two
// minutes, as faults before this one have it.
func exhaustConnections(ctx context.Context, t *Target) error {
	primary := t.Entry.Copy()
	primary.Host, primary.Port = t.Pods[t.Primary].Status.PodIP, naming.PortPostgres
	var open []*pgx.Conn
	t.OnHeal(func(ctx context.Context) error {
		for _, conn := range open {
			closing, cancel := context.WithTimeout(ctx, time.Second)
			_ = conn.Close(closing) // the server may be gone by now
			cancel()
		}
		return nil
	})
	for range mostConnections {
		within, cancel := context.WithTimeout(ctx, answerWithin)
		conn, err := pgx.ConnectConfig(within, primary)
		cancel()
		var refused *pgconn.PgError
		switch {
		case err == nil:
			open = append(open, conn)
		case errors.As(err, &refused) && refused.Code == "53300":
			return nil
		default:
			return fmt.Errorf("connection %d: %w", len(open)+1, err)
		}
	}
	return fmt.Errorf("%d connections are open, and the primary allows more", len(open))
}

// cutWay lets what one node sends to another vanish.
func cutWay(ctx context.Context, t *Target, from, to string) error {
	t.OnHeal(func(ctx context.Context) error { return t.localcluster(ctx, "link", "mend", from, to) })
	return t.localcluster(ctx, "link", "cut", from, to)
}

func muteToStandbys(ctx context.Context, t *Target) error {
	var errs []error
	for _, node := range standbyNodes(t) {
		errs = append(errs, cutWay(ctx, t, t.Node(t.Primary), node))
	}
	return errors.Join(errs...)
}

func deafToStandbys(ctx context.Context, t *Target) error {
	var errs []error
	for _, node := range standbyNodes(t) {
		errs = append(errs, cutWay(ctx, t, node, t.Node(t.Primary)))
	}
	return errors.Join(errs...)
}

func muteToAPI(ctx context.Context, t *Target) error {
	return cutWay(ctx, t, t.Node(t.Primary), "host")
}

func muteStandby(ctx context.Context, t *Target) error {
	return cutWay(ctx, t, t.Node(t.Standbys[0]), t.Node(t.Primary))
}

func killStandby(_ context.Context, t *Target) error { return kill(t.Pods[t.Standbys[0]], manager) }

func wipeStandby(ctx context.Context, t *Target) error { return wipe(ctx, t, t.Standbys[0]) }
