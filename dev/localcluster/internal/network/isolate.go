package network

import (
	"context"
	"fmt"
	"net"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Isolate pulls a node's cable out of the bridge: packets vanish in both directions, and what runs
// on the node goes on.
func Isolate(ctx context.Context, node string) error {
	if err := ip(ctx, "", "link set "+layout.Link(node)+" down"); err != nil {
		return fmt.Errorf("isolating %s: %w", node, err)
	}
	return nil
}

// Rejoin plugs the cable in again.
func Rejoin(ctx context.Context, node string) error {
	if err := ip(ctx, "", "link set "+layout.Link(node)+" up"); err != nil {
		return fmt.Errorf("rejoining %s: %w", node, err)
	}
	return nil
}

// Isolated tells whether a node's cable is pulled.
func Isolated(node string) bool {
	link, err := net.InterfaceByName(layout.Link(node))
	return err == nil && link.Flags&net.FlagUp == 0
}
