package contact

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// Within is how long an instance may take to tell of itself. All are asked at the same time, so that
// one that is away delays a reconcile by this much and no more.
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

// Ask all instances whose manager runs, by the name of their pods. One that does not answer is told in its entry, as is, for all of
// them, that there is no way to dial.
func Ask(ctx context.Context, pods map[string]*corev1.Pod, dial Dial, noDial error) map[string]Instance {
	instances := map[string]Instance{}
	var group sync.WaitGroup
	var mutex sync.Mutex
	for name, pod := range pods {
		if !managerRuns(pod) {
			continue
		}
		if noDial != nil {
			instances[name] = Instance{Err: noDial}
			continue
		}
		found := Instance{Client: dial(name, pod.Status.PodIP)}
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Within)
			defer cancel()
			found.Status, found.Err = found.Client.Status(ctx)
			if found.Err == nil && found.Status.Instance != name {
				found.Err = fmt.Errorf("the address of %s answers as %s", name, found.Status.Instance)
			}
			mutex.Lock()
			defer mutex.Unlock()
			instances[name] = found
		})
	}
	group.Wait()
	return instances
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
