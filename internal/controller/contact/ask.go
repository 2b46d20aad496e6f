package contact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Within is how long an instance may take to tell of itself, or of all. Those that are asked themselves are so at the same time, so that those that are away
// delay a reconcile by twice this much and no more.
const Within = 2 * time.Second

// Instance is what one instance told of itself.
type Instance struct {
	Status instanceapi.Status
	// Err why it did not answer; nil where it did.
	Err error
	// Client to speak to it; nil where it has no address yet.
	Client *instanceapi.Client
}

// Answers tells whether the instance told of itself just now.
func (i Instance) Answers() bool { return i.Client != nil && i.Err == nil }

// Ask what all instances do whose manager runs, by the name of their pods. The holder of the Lease is asked for all of them; those that it does not tell of are
// asked themselves. One that does not answer is told in its entry, as is, for all of them, that there is no way to dial.
func Ask(ctx context.Context, pods map[string]*corev1.Pod, holder string, dial Dial, noDial error) map[string]Instance {
	instances := map[string]Instance{}
	for name, pod := range pods {
		switch {
		case !managerRuns(pod):
		case noDial != nil:
			instances[name] = Instance{Err: noDial}
		default:
			instances[name] = Instance{Client: dial(name, pod.Status.PodIP), Err: errNotAsked}
		}
	}
	if noDial == nil {
		askHolder(ctx, instances, pods, holder)
		askMissing(ctx, instances)
	}
	return instances
}

// errNotAsked is replaced by what an instance says, or why it does not.
var errNotAsked = errors.New("it was not asked")

// askHolder for all statuses. What it tells of another one counts where that has the address of its pod: it may know of one that is gone.
func askHolder(ctx context.Context, instances map[string]Instance, pods map[string]*corev1.Pod, holder string) {
	found, runs := instances[holder]
	if !runs {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	statuses, err := found.Client.Statuses(ctx)
	if err != nil {
		return // it is asked once more, for itself alone: an older one knows nothing else
	}
	for _, status := range append(statuses.Others, statuses.Own) {
		told, runs := instances[status.Instance]
		if runs && status.Address == pods[status.Instance].Status.PodIP {
			told.Status, told.Err = status, nil
			instances[status.Instance] = told
		}
	}
}

// askMissing asks those of which nothing is known yet, all at the same time.
func askMissing(ctx context.Context, instances map[string]Instance) {
	var group sync.WaitGroup
	var mutex sync.Mutex
	answered := map[string]Instance{}
	for name, found := range instances {
		if found.Err == nil {
			continue
		}
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Within)
			defer cancel()
			found.Status, found.Err = found.Client.Status(ctx)
			if found.Err == nil && found.Status.Instance != name {
				found.Err = fmt.Errorf("the address of %s answers as %s", name, found.Status.Instance)
			}
			mutex.Lock()
			defer mutex.Unlock()
			answered[name] = found
		})
	}
	group.Wait()
	maps.Copy(instances, answered)
}

// managerRuns tells whether an instance manager can be expected to answer.
func managerRuns(pod *corev1.Pod) bool {
	if pod.Status.PodIP == "" {
		return false
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == desired.ContainerPostgres {
			return status.State.Running != nil
		}
	}
	return false
}
