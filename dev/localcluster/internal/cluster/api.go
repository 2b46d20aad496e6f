package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/controlplane"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// APIVerbs are the faults of the API server by name. etcd and the controllers go on: it is the API
// that is gone, not the cluster's memory.
var APIVerbs = map[string]func(Cluster, context.Context) error{
	"stop": func(_ Cluster, ctx context.Context) error {
		return cgroup.Kill(ctx, controlplane.Unit, controlplane.APIServer)
	},
	"start": Cluster.apiStart,
	"freeze": func(_ Cluster, ctx context.Context) error {
		return cgroup.Freeze(ctx, controlplane.Unit, controlplane.APIServer)
	},
	"thaw": func(_ Cluster, ctx context.Context) error {
		return cgroup.Thaw(ctx, controlplane.Unit, controlplane.APIServer)
	},
}

// API runs one of APIVerbs.
func (c Cluster) API(ctx context.Context, verb string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := c.settings(); err != nil {
		return err
	}
	return APIVerbs[verb](c, ctx)
}

func (c Cluster) apiStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if cgroup.Frozen(controlplane.Unit, controlplane.APIServer) {
		return fmt.Errorf("the API server is frozen, not stopped: `localcluster api thaw`")
	}
	// The other processes of the control plane may have given up without it: all are looked at.
	return c.startPlane(ctx)
}

// apiState says how the API server does, for status.
func (c Cluster) apiState(ctx context.Context) string {
	switch {
	case !spawn.Alive(controlplane.Unit, controlplane.APIServer):
		return "stopped"
	case cgroup.Frozen(controlplane.Unit, controlplane.APIServer):
		return "frozen"
	}
	client, err := c.client()
	if err == nil {
		err = client.Ready(ctx)
	}
	if err != nil {
		return "not ready: " + err.Error()
	}
	return "ready"
}
