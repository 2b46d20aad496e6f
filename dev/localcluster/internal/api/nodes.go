package api

import (
	"context"
	"fmt"
)

// Node is what the cluster says about a node.
type Node struct {
	Name  string
	Ready bool
	// Why is the reason when it is not ready.
	Why string
}

// Nodes lists the nodes that have registered.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status, Message string }
			}
		}
	}
	if err := c.Get(ctx, "/api/v1/nodes", &list); err != nil {
		return nil, err
	}
	var nodes []Node
	for _, item := range list.Items {
		node := Node{Name: item.Metadata.Name, Why: "its kubelet has not reported yet"}
		for _, condition := range item.Status.Conditions {
			if condition.Type == "Ready" {
				node.Ready, node.Why = condition.Status == "True", condition.Message
			}
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// NodeReady returns why a node is not ready, or nil.
func (c *Client) NodeReady(ctx context.Context, name string) error {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Name == name && n.Ready {
			return nil
		}
		if n.Name == name {
			return fmt.Errorf("%s is not ready: %s", name, n.Why)
		}
	}
	return fmt.Errorf("%s has not registered", name)
}
