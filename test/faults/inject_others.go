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

// stopLastCopy has the primary write alone, and leaves the standby alone then.
func stopLastCopy(ctx context.Context, t *Target) error {
	standby := t.Standbys[0]
	boot := func(ctx context.Context) error { return t.localcluster(ctx, "node", "start", t.Node(standby)) }
	t.OnHeal(boot)
	if err := t.localcluster(ctx, "node", "stop", t.Node(standby)); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, "the primary is the only member", t.isAlone); err != nil {
		return err
	}
	if err := steadySince(ctx, t.load, t.load.Now(), time.Minute); err != nil {
		return err
	}
	if err := stopNode(ctx, t); err != nil {
		return err
	}
	if err := boot(ctx); err != nil {
		return err
	}
	return until(ctx, time.Minute, "the standby's server runs", func(ctx context.Context) error { return t.serves(ctx, standby) })
}

// isAlone tells whether the primary is the only member.
func (t *Target) isAlone(ctx context.Context) error {
	now, err := t.Leadership(ctx)
	if err == nil && (len(now.Quorum.Members) != 1 || now.Quorum.Required != 1 || now.Holder != t.Primary) {
		err = fmt.Errorf("the Lease says %+v", now)
	}
	return err
}

// serves tells whether the PostgreSQL of an instance runs.
func (t *Target) serves(ctx context.Context, instance string) error {
	pods, err := t.pods(ctx)
	if err != nil {
		return err
	}
	if pods[instance] == nil {
		return fmt.Errorf("%s has no pod", instance)
	}
	all, err := processesOf(pods[instance])
	if err != nil {
		return err
	}
	_, err = postmaster(all)
	return err
}

func wipeStandby(ctx context.Context, t *Target) error { return wipe(ctx, t, t.Standbys[0]) }
