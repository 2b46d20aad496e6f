package faults

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/peers"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// The middle of a switchover is half a second long, and begins when the operator has asked the leader and that has made a checkpoint. What is to hit it waits
// for what the leader itself tells its standbys, and listens as one of them. When the fault is in force the Lease tells how far the switchover was: one
// that was over by then, as where the machine was busy, is not taken for a fault in the middle.

// MidSwitchover makes a fault when the leader has told that it hands over to the first standby, and stops its server. What hits a
// standby hits that one.
func MidSwitchover(f Fault) Fault {
	return inSwitchover(f, false, "mid-switchover", "while the leader hands over", "When the leader tells its standbys that it hands over:")
}

// LateSwitchover makes one when the leader has passed the Lease on, and the first standby is about to take it or to promote.
func LateSwitchover(f Fault) Fault {
	return inSwitchover(f, true, "late-switchover", "as it takes over from a leader that has handed over",
		"When the leader tells its standbys no more that it hands over:")
}

func inSwitchover(f Fault, passedOn bool, name, title, how string) Fault {
	waits := f.WritesWait || f.Name == "api-frozen" // nobody can take a Lease then that was passed on
	return Fault{
		Name: name + "+" + f.Name, Title: f.Title + ", " + title, Healed: f.Healed,
		How: "A PostgresOperation asks for a switchover to the first standby. " + how + " " + f.How,
		Inject: func(ctx context.Context, t *Target) error {
			if err := t.awaitHandover(ctx, passedOn); err != nil {
				return err
			}
			if err := f.Inject(ctx, t); err != nil {
				return err
			}
			return t.noteStage(ctx, passedOn, time.Now())
		},
		Disrupts: !waits, WritesWait: waits, Lasts: max(f.Lasts, settle/2), Hits: f.Hits, Needs: operationKind,
		Then: func(ctx context.Context, t *Target) error { return errors.Join(f.then(ctx, t), switchoverEnds(ctx, t)) },
	}
}

// interrupts tells whether a fault can hit a switchover in its middle: it is made in no time, and needs no primary that serves.
func interrupts(f Fault) bool {
	return f.Needs == "" && !slices.Contains([]string{"operator-stopped", "connections-exhausted"}, f.Name)
}

func (t *Target) askForSwitchover(ctx context.Context, to string) error {
	operation := &v1alpha1.PostgresOperation{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "switchover-", Namespace: t.Namespace},
		Spec:       v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: t.Cluster}, Type: v1alpha1.OperationSwitchover},
	}
	if to != "" {
		operation.Spec.Switchover = &v1alpha1.SwitchoverOperation{To: to}
	}
	err := t.api.Create(ctx, operation)
	t.Switchover = operation.Name
	return err
}

// switchoverEnds waits until what was asked for has succeeded or failed: one that never does keeps all others from being done.
func switchoverEnds(ctx context.Context, t *Target) error {
	return until(ctx, time.Minute, "the switchover ends", func(ctx context.Context) error {
		operation := &v1alpha1.PostgresOperation{}
		if err := t.find(ctx, t.Switchover, operation); err != nil {
			return err
		}
		if operation.Status.FinishedAt == nil {
			return fmt.Errorf("it is %+v", operation.Status.Summary)
		}
		return nil
	})
}

// momentWithin is how long a leader may take until it hands over, from when somebody asks for it.
const momentWithin = 45 * time.Second

// awaitHandover asks for a switchover to the first standby once the leader is heard, and returns when it tells that it hands over, or
// with passedOn when it told so and does no more.
func (t *Target) awaitHandover(ctx context.Context, passedOn bool) error {
	ctx, cancel := context.WithTimeout(ctx, momentWithin)
	defer cancel()
	news := make(chan struct{}, 1)
	beats, err := t.listen(ctx, func() {
		select {
		case news <- struct{}{}:
		default: // it is still to be looked at what came before
		}
	})
	if err != nil {
		return err
	}
	asked, begun := false, false
	for {
		beat, heard := beats.Beat(t.Primary)
		switch {
		case heard && !asked:
			if err := t.askForSwitchover(ctx, t.Standbys[0]); err != nil {
				return err
			}
			asked = true
		case beat.HandsOver != "" && !passedOn, beat.HandsOver == "" && begun:
			return nil
		}
		begun = begun || beat.HandsOver != ""
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s was not heard to hand over within %s: heard %t, asked for %t, begun %t", t.Primary, momentWithin, heard, asked, begun)
		}
	}
}

// listen to what the primary tells its standbys.
func (t *Target) listen(ctx context.Context, told func()) (*peers.Heartbeats, error) {
	secret := &corev1.Secret{}
	if err := t.find(ctx, naming.Certificates(t.Cluster), secret); err != nil {
		return nil, err
	}
	mounted, err := pki.ParseMounted(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("the certificates of the instances: %w", err)
	}
	beats := peers.NewHeartbeats(peers.Options{
		Address: func(instance string) string {
			return net.JoinHostPort(t.Pods[instance].Status.PodIP, strconv.Itoa(naming.PortAPI))
		},
		TLS: func(instance string) *tls.Config {
			return pki.ClientConfig(mounted.Peer, mounted.PeerBundle, naming.InstanceHost(t.Cluster, t.Namespace, instance))
		},
		Answered: told, Now: time.Now,
	})
	beats.Listen(ctx, []string{t.Primary})
	return beats, nil
}

// noteStage of the switchover when the fault was in force, and whether that was not the moment that it was to hit.
func (t *Target) noteStage(ctx context.Context, passedOn bool, inForce time.Time) error {
	after, err := t.Leadership(ctx)
	if err != nil {
		t.Stage = fmt.Sprintf("the leader had told so by its heartbeat; how far it was is not known: %v", err)
		return nil
	}
	stage := stageOf(t.Before, after, inForce)
	t.Stage, t.Missed = string(stage), stage == isOver || stage == notPassed && passedOn
	return nil
}

// stage of a switchover, for people.
type stage string

const (
	notPassed stage = "the leader still had the Lease"
	isPassed  stage = "the Lease was passed on, and nobody had taken it"
	isTaken   stage = "the successor had the Lease, and was not open"
	isElected stage = "the others had already elected"
	isOver    stage = "the switchover was over"
)

// stageOf a switchover by the Lease that was there before it and by the one that was read after this moment.
func stageOf(before, after Leadership, moment time.Time) stage {
	last := after.LastFailover
	switch {
	case after.Term == before.Term && after.Holder == before.Holder:
		return notPassed
	case after.Holder == "" && after.Handover != "":
		return isPassed
	case last == nil || last.Cause != election.CauseHandover || after.Term > before.Term+1:
		return isElected
	case !last.OpenedAt.IsZero() && last.OpenedAt.Before(moment):
		return isOver
	}
	return isTaken
}
