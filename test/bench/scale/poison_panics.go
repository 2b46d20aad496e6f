package main

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// annotationPanic has an operator that was built with the tag `poison` panic on a cluster.
const annotationPanic = "timonier.io/poison"

// panics poison clusters in an operator that was built for it.
type panics struct{}

func (panics) prepare(context.Context, *bench) error { return nil }

func (panics) spoil(ctx context.Context, b *bench, clusters []*cluster) error {
	return b.annotate(ctx, clusters, `"panic"`)
}

func (panics) heal(ctx context.Context, b *bench, clusters []*cluster) error {
	return errors.Join(b.annotate(ctx, clusters, "null"), b.release(ctx, clusters))
}

// annotate clusters with what is to become of them, as JSON.
func (b *bench) annotate(ctx context.Context, clusters []*cluster, value string) error {
	for _, c := range clusters {
		target := &v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: c.key.Namespace, Name: c.key.Name}}
		if err := b.world.kube.Patch(ctx, target, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, annotationPanic, value))); err != nil {
			return err
		}
	}
	return nil
}

// mixed has each second one of the clusters fail by the second poison, and all others by the first.
type mixed struct{ first, second poison }

func (m mixed) prepare(ctx context.Context, b *bench) error {
	return errors.Join(m.first.prepare(ctx, b), m.second.prepare(ctx, b))
}

func (m mixed) spoil(ctx context.Context, b *bench, clusters []*cluster) error {
	first, second := halves(clusters)
	return errors.Join(m.first.spoil(ctx, b, first), m.second.spoil(ctx, b, second))
}

func (m mixed) heal(ctx context.Context, b *bench, clusters []*cluster) error {
	first, second := halves(clusters)
	return errors.Join(m.first.heal(ctx, b, first), m.second.heal(ctx, b, second))
}

func halves(clusters []*cluster) (first, second []*cluster) {
	for i, c := range clusters {
		if i%2 == 0 {
			first = append(first, c)
		} else {
			second = append(second, c)
		}
	}
	return first, second
}
