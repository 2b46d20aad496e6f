package addons

import (
	"context"
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/api"
)

// Ready returns what is not ready yet of DNS and of the volume driver on each node.
func Ready(ctx context.Context, client *api.Client) error {
	var dns struct {
		Status struct{ ReadyReplicas int }
	}
	if err := client.Get(ctx, "/apis/apps/v1/namespaces/kube-system/deployments/coredns", &dns); err != nil {
		return err
	}
	if dns.Status.ReadyReplicas == 0 {
		return fmt.Errorf("no CoreDNS pod is ready: `kubectl -n kube-system describe pods -l k8s-app=kube-dns` tells why")
	}
	var drivers struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct {
				Drivers []struct{ Name string }
			}
		}
	}
	if err := client.Get(ctx, "/apis/storage.k8s.io/v1/csinodes", &drivers); err != nil {
		return err
	}
	for _, node := range drivers.Items {
		if len(node.Spec.Drivers) == 0 {
			return fmt.Errorf("the volume driver has not registered with the kubelet of %s", node.Metadata.Name)
		}
	}
	return nil
}
