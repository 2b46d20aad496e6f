package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

const (
	sampleFile = "config/samples/demo.yaml"
	// creators ask for clusters at the same time.
	creators = 8
	// progressEvery is how often it is told how far it is.
	progressEvery = 30 * time.Second
)

// create all clusters, and wait until all are ready.
func (b *bench) create(ctx context.Context) (Creation, error) {
	content, err := os.ReadFile(sampleFile)
	if err != nil {
		return Creation{}, err
	}
	like := &v1alpha1.PostgresCluster{}
	if err := yaml.UnmarshalStrict(content, like); err != nil {
		return Creation{}, fmt.Errorf("%s: %w", sampleFile, err)
	}
	count := int32(b.instances)
	like.Spec.Instances, like.Spec.Version = &count, majorVersion
	like.Spec.Parameters = map[string]intstr.IntOrString{parameter: intstr.FromInt32(firstValue)}
	before, err := weigh(b.operator.command.Process.Pid)
	if err != nil {
		return Creation{}, err
	}
	fmt.Printf("creating %d clusters of %d instances; the operator holds %.1f MiB without any\n", b.clusters, b.instances, mebibytes(before.rss))
	seen, _, err := b.seenDuring(ctx, func(ctx context.Context) error {
		if err := b.ask(ctx, like); err != nil {
			return err
		}
		return b.awaitReady(ctx)
	})
	return Creation{RSSBefore: before.rss, Period: seen}, err
}

// ask for all clusters.
func (b *bench) ask(ctx context.Context, like *v1alpha1.PostgresCluster) error {
	for _, name := range b.fleet.namespaces() {
		if err := b.world.kube.Create(ctx, namespace(name)); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(creators)
	for _, c := range b.fleet.clusters {
		group.Go(func() error {
			asked := like.DeepCopy()
			asked.Namespace, asked.Name = c.key.Namespace, c.key.Name
			if err := b.world.kube.Create(ctx, asked); err != nil {
				return fmt.Errorf("cluster %s: %w", c.key, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// awaitReady until all clusters are, and tell now and then how many.
func (b *bench) awaitReady(ctx context.Context) error {
	begin, told := time.Now(), time.Now()
	for b.statuses.count() < len(b.fleet.clusters) {
		if time.Since(begin) > b.patience {
			return errors.Join(fmt.Errorf("%d of %d clusters are ready after %s", b.statuses.count(), len(b.fleet.clusters), b.patience), b.whyNot(ctx))
		}
		if time.Since(told) > progressEvery {
			told = time.Now()
			fmt.Printf("%d of %d clusters are ready after %s\n", b.statuses.count(), len(b.fleet.clusters), time.Since(begin).Round(time.Second))
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // the pace of polling
			return err
		}
	}
	return nil
}

// whyNot is what the first cluster says that is not ready, and what went wrong last between the operator and an instance.
func (b *bench) whyNot(ctx context.Context) error {
	var why error
	if last := b.stub.counts.lastFailure(); last != "" {
		why = fmt.Errorf("the last connection to an instance that failed: %s", last)
	}
	for _, c := range b.fleet.clusters {
		if b.statuses.isReady(c.key, 0) {
			continue
		}
		found := &v1alpha1.PostgresCluster{}
		if err := b.world.kube.Get(ctx, c.key, found); err != nil {
			return errors.Join(fmt.Errorf("cluster %s: %w", c.key, err), why)
		}
		if ready := meta.FindStatusCondition(found.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			return errors.Join(fmt.Errorf("cluster %s is not ready: %s: %s", c.key, ready.Reason, ready.Message), why)
		}
		return errors.Join(fmt.Errorf("cluster %s has no status", c.key), why)
	}
	return why
}
