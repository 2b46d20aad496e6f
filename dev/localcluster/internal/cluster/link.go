package cluster

import (
	"context"
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/network"
)

// LinkVerbs are the faults of the way from one node to another, by name. It is one direction: packets of the other
// one arrive.
var LinkVerbs = map[string]func(ctx context.Context, from, to string) error{
	"cut":  network.Cut,
	"mend": network.Mend,
}

// Link runs one of LinkVerbs on the way between two nodes, or a node and network.Host or network.All.
func (c Cluster) Link(ctx context.Context, verb, from, to string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	for _, end := range []string{from, to} {
		if _, err := layout.NodeNumber(end); err != nil {
			continue // the verb says what it may be
		}
		if _, err := c.node(end); err != nil {
			return err
		}
	}
	if err := LinkVerbs[verb](ctx, from, to); err != nil {
		return err
	}
	if verb == "cut" {
		fmt.Fprintf(c.Out, "What %s sends to %s does not arrive. Mend it with `localcluster link mend %s %s`.\n", from, to, from, to)
	}
	return nil
}
