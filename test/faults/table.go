package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// operationKind is what a switchover is asked for with.
const operationKind = "PostgresOperation"

// Singles are the faults that a cluster of three stands one at a time.
func Singles() []Fault {
	return slices.Concat(ofPrimary(), ofSurroundings(), ofWays(), ofStandbys())
}

// ofPrimary take the leader away, or what it stands on.
func ofPrimary() []Fault {
	return []Fault{
		{Name: "switchover", Title: "switchover", Needs: operationKind, Disrupts: true,
			How: "A PostgresOperation asks for it.", Healed: "Nothing is to be healed.", Inject: switchover, Then: switchoverEnds},
		{Name: "delete-pod", Title: "graceful delete of the primary pod", Disrupts: true,
			How: "The pod is deleted with its grace period.", Healed: "The operator makes it again.", Inject: deletePod},
		{Name: "force-delete-pod", Title: "primary pod force-deleted", Disrupts: true,
			How: "The pod is deleted with a grace period of 0.", Healed: "The operator makes it again.", Inject: forceDeletePod},
		{Name: "sigkill-postmaster", Title: "SIGKILL of the postmaster", Disrupts: true,
			How: "kill -9, from the host.", Healed: "The instance manager starts it again.", Inject: killPostmaster},
		{Name: "sigkill-pid1", Title: "SIGKILL of PID 1", Disrupts: true,
			How:    "kill -9 of the instance manager, from the host; the kernel ends the rest of the container.",
			Healed: "The kubelet starts the container again.", Inject: killManager},
		{Name: "node-isolated", Title: "primary's node cut off", Disrupts: true, ReadsOn: true, Hits: primaryNode,
			How: "`localcluster node isolate`: the cable is pulled, everything on the node runs on.", Healed: "The cable is plugged in.", Inject: isolateNode},
		{Name: "node-stopped", Title: "primary's node powered off", Disrupts: true, Hits: primaryNode,
			How: "`localcluster node stop`: every process dies at once, no connection is closed.", Healed: "The node is booted.", Inject: stopNode},
		{Name: "frozen", Title: "every process of the primary frozen", Disrupts: true, ReadsOn: true,
			How: "The container's cgroup is frozen, PID 1 included; its kernel still accepts connections.", Healed: "It is thawed.", Inject: freezePrimary},
		{Name: "volume-stalled", Title: "primary's volume stalls", Disrupts: true,
			How: "`localcluster volume stall`: fsfreeze, so that writes and fsync hang.", Healed: "It is released.", Inject: stallVolume},
		{Name: "primary-wiped", Title: "the primary loses its volume", Disrupts: true,
			How: "Its claim and its pod are deleted.", Healed: "The operator makes both; the instance clones the new primary.", Inject: wipePrimary, Then: primaryCloned},
	}
}

// ofSurroundings do not touch the instances.
func ofSurroundings() []Fault {
	return []Fault{
		{Name: "api-frozen", Title: "API server frozen 60 s", KeepsLeader: true, RefusesNothing: true, Lasts: time.Minute,
			How: "`localcluster api freeze`: connections open, and no answer comes.", Healed: "It is thawed.", Inject: freezeAPI},
		{Name: "operator-stopped", Title: "the operator down 60 s", KeepsLeader: true, RefusesNothing: true, Lasts: time.Minute,
			How: "Its Deployment is scaled to none.", Healed: "It is started again.", Inject: stopOperator},
		{Name: "connections-exhausted", Title: "connections exhausted", KeepsLeader: true, Lasts: settle,
			How: "Connections are opened until the primary refuses them.", Healed: "They are closed.", Inject: exhaustConnections},
	}
}

// ofWays are partitions in which packets arrive in one direction only.
func ofWays() []Fault {
	return []Fault{
		{Name: "primary-unheard", Title: "nothing that the primary sends to standbys arrives", Disrupts: true, ReadsOn: true, Hits: primaryNode,
			How: "`localcluster link cut` from the primary's node to those of both standbys.", Healed: "The ways are mended.", Inject: muteToStandbys},
		{Name: "primary-deaf", Title: "nothing that standbys send to the primary arrives", Disrupts: true, ReadsOn: true, Hits: primaryNode,
			How: "`localcluster link cut` from the standbys' nodes to the primary's.", Healed: "The ways are mended.", Inject: deafToStandbys},
		{Name: "primary-without-api", Title: "nothing that the primary sends to the API server arrives", KeepsLeader: true, Lasts: 30 * time.Second,
			How: "`localcluster link cut` from the primary's node to the host.", Healed: "The way is mended.", Inject: muteToAPI},
		{Name: "standby-unheard", Title: "nothing that one standby sends to the primary arrives", KeepsLeader: true, Lasts: settle,
			Hits: firstStandbyNode,
			How:  "`localcluster link cut` from one standby's node to the primary's.", Healed: "The way is mended.", Inject: muteStandby},
	}
}

// ofStandbys leave the leader alone.
func ofStandbys() []Fault {
	return []Fault{
		{Name: "standby-killed", Title: "SIGKILL of a standby's PID 1", KeepsLeader: true, Lasts: settle / 2,
			How: "kill -9 of the instance manager, from the host.", Healed: "The kubelet starts the container again.", Inject: killStandby},
		{Name: "standby-wiped", Title: "a standby loses its volume", KeepsLeader: true, Lasts: settle,
			How: "Its claim and its pod are deleted.", Healed: "The operator makes both; the instance clones the primary.", Inject: wipeStandby, Then: standbyCloned},
	}
}

// operatorKilled is for the middle of something: by itself it is less than to be down for a while.
func operatorKilled() Fault {
	return Fault{Name: "operator-killed", Title: "SIGKILL of the operator", KeepsLeader: true, RefusesNothing: true, Lasts: settle,
		How: "kill -9, from the host.", Healed: "The kubelet starts it again.", Inject: killOperator}
}

// undisturbed is the name of what is no fault.
const undisturbed = "undisturbed"

// Undisturbed is no fault: what is seen for so long when nothing is broken, beside which the rest can be judged.
func Undisturbed(lasts time.Duration) Fault {
	return Fault{Name: undisturbed, Title: "nothing is broken", KeepsLeader: true, RefusesNothing: true, Lasts: lasts,
		How: "Nothing is.", Healed: "Nothing is to be healed.", Inject: func(context.Context, *Target) error { return nil }}
}

// Interrupted are switchovers that something hits in the middle, that are tried each time; soak tries others as well.
func Interrupted() []Fault {
	return []Fault{
		MidSwitchover(Named("sigkill-pid1")),
		MidSwitchover(Named("node-isolated")),
		MidSwitchover(operatorKilled()),
		MidSwitchover(Named("standby-killed")),
		LateSwitchover(Named("standby-killed")),
	}
}

// Doubles are two faults at once that are tried each time; soak tries every other pair as well.
func Doubles() []Fault {
	return []Fault{
		Together(Named("api-frozen"), Named("sigkill-pid1")),
		Together(Named("standby-killed"), Named("node-isolated")),
	}
}

// Orphans are faults while the operator is down, or as it is killed, that are tried each time; soak tries every other one as well.
func Orphans() []Fault {
	return []Fault{
		WithoutOperator(Named("sigkill-pid1")),
		KillingOperator(Named("delete-pod")),
	}
}

// Named is one of Singles; the zero Fault where none has that name.
func Named(name string) Fault {
	all := Singles()
	i := slices.IndexFunc(all, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		return Fault{}
	}
	return all[i]
}

// Possible leaves out those that need a kind which this Kubernetes does not have.
func (k *Kubernetes) Possible(ctx context.Context, all []Fault) ([]Fault, error) {
	var possible []Fault
	for _, fault := range all {
		there, err := k.has(ctx, fault.Needs)
		if err != nil {
			return nil, err
		}
		if there {
			possible = append(possible, fault)
		}
	}
	return possible, nil
}

func (k *Kubernetes) has(_ context.Context, kind string) (bool, error) {
	if kind == "" {
		return true, nil
	}
	group := schema.GroupKind{Group: v1alpha1.GroupVersion.Group, Kind: kind}
	_, err := k.api.RESTMapper().RESTMapping(group, v1alpha1.GroupVersion.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for kind %s: %w", kind, err)
	}
	return true, nil
}

func primaryNode(t *Target) []string { return []string{t.Node(t.Primary)} }

func firstStandbyNode(t *Target) []string { return standbyNodes(t)[:1] }

func allNodes(t *Target) []string { return append(standbyNodes(t), t.Node(t.Primary)) }

func standbyNodes(t *Target) []string {
	var nodes []string
	for _, standby := range t.Standbys {
		nodes = append(nodes, t.Node(standby))
	}
	return nodes
}
