package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const (
	// parameter that is changed: PostgreSQL reads it while it runs.
	parameter = "log_min_duration_statement"
	// firstValue that a cluster is made with, in milliseconds; each change has the next one.
	firstValue = 1000
	// tries to find a cluster that is ready, and of which no change is under way.
	tries = 100
	// settlePatience is how long the last changes of a run may take to be applied and reported.
	settlePatience = time.Minute
)

// change specs at the rate that is asked for, and wait until what was changed is applied and reported.
func (b *bench) change(ctx context.Context, among []*cluster) error {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / b.rate))
	defer ticker.Stop()
	end := time.After(b.during)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end:
			group.Wait()
			return b.settle(ctx)
		case <-ticker.C:
		}
		b.value++
		value := firstValue + b.value
		if c := b.choose(among, strconv.Itoa(value)); c != nil {
			group.Go(func() { b.edit(ctx, c, value) })
		} else {
			b.changes.withhold()
		}
	}
}

// choose a cluster at random that is ready, and begin a change of it; nil where none was found.
func (b *bench) choose(among []*cluster, value string) *cluster {
	for range tries {
		c := among[b.random.IntN(len(among))]
		if b.statuses.isReady(c.key, 0) && b.changes.begin(c.key, value, b.instances) {
			return c
		}
	}
	return nil
}

// edit the spec of one cluster.
func (b *bench) edit(ctx context.Context, c *cluster, value int) {
	edited := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: c.key.Namespace, Name: c.key.Name}}
	patch := fmt.Appendf(nil, `{"spec":{"parameters":{%q:%d}}}`, parameter, value)
	err := b.world.kube.Patch(ctx, edited, client.RawPatch(types.MergePatchType, patch))
	at := time.Now()
	if err != nil {
		b.changes.refuse(c.key, err)
		return
	}
	b.changes.answer(c.key, edited.Generation, at)
}

// settle until all that was changed is applied and reported. What is not by then is counted as open.
func (b *bench) settle(ctx context.Context) error {
	for begin := time.Now(); time.Since(begin) < settlePatience; {
		if b.changes.pending() == 0 && b.reported() {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // the pace of polling
			return err
		}
	}
	return nil
}

// reported tells whether all clusters that were changed say that their spec is reached.
func (b *bench) reported() bool {
	for key, generation := range b.changes.generations() {
		if !b.statuses.isReady(key, generation) {
			return false
		}
	}
	return true
}
