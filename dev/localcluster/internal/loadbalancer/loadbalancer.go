// Package loadbalancer gives Services of type LoadBalancer their addresses. It works like those of
// the clouds: an address is routed to a node that passes the health check, and the kube-proxy of that
// node does the rest, source ranges included.
package loadbalancer

import (
	"context"
	"fmt"
	"log"
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Class is the value of spec.loadBalancerClass that asks for this controller by name. A Service
// without a class is served as well.
const Class = "localcluster.timonier.io/lb"

// Run serves until the context ends. Everything is looked at again on every change and every second:
// the whole is small, and nothing can be forgotten.
func Run(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	services, nodes := factory.Core().V1().Services(), factory.Core().V1().Nodes()
	changed := make(chan struct{}, 1)
	notify := func(any) {
		select {
		case changed <- struct{}{}:
		default: // a look is due already
		}
	}
	if _, err := services.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: notify, UpdateFunc: func(_, o any) { notify(o) }, DeleteFunc: notify,
	}); err != nil {
		return fmt.Errorf("watching services: %w", err)
	}
	nodes.Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())

	if err := forgetRoutes(ctx); err != nil {
		return err
	}
	c := controller{client: client, routes: map[string]string{}, checks: newChecks(healthy)}
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		all, err := services.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		members, err := nodes.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		if err := c.reconcile(ctx, all, members); err != nil {
			log.Printf("load balancers: %v", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
			c.checks.nextRound()
		}
	}
}

type controller struct {
	client kubernetes.Interface
	// routes holds the node address that each load balancer's address is routed to.
	routes map[string]string
	checks *checks
}

func (c controller) reconcile(ctx context.Context, services []*corev1.Service, nodes []*corev1.Node) error {
	var mine []*corev1.Service
	taken := map[string]bool{}
	for _, s := range services {
		if isMine(s) {
			mine = append(mine, s)
			taken[addressOf(s)] = true
		}
	}
	wanted := map[string]string{}
	for _, s := range mine {
		address := addressOf(s)
		if address == "" {
			var err error
			if address, err = c.assign(ctx, s, taken); err != nil {
				return err
			}
		}
		wanted[address] = choose(ctx, s, nodes, c.routes[address], c.checks)
	}
	return c.route(ctx, wanted)
}

func isMine(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.DeletionTimestamp == nil &&
		ptr.Deref(s.Spec.LoadBalancerClass, Class) == Class
}

func addressOf(s *corev1.Service) string {
	if len(s.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return s.Status.LoadBalancer.Ingress[0].IP
}

// assign picks a free address, the wished one if it is free, and writes it to the Service.
func (c controller) assign(ctx context.Context, s *corev1.Service, taken map[string]bool) (string, error) {
	address := s.Spec.LoadBalancerIP
	if address == "" || taken[address] || !inRange(address) {
		address = firstFree(taken)
	}
	if address == "" {
		return "", fmt.Errorf("no address of %s is free for %s/%s", layout.LoadBalancers, s.Namespace, s.Name)
	}
	taken[address] = true
	updated := s.DeepCopy()
	updated.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address, IPMode: ptr.To(corev1.LoadBalancerIPModeVIP)}}
	if _, err := c.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
		return "", fmt.Errorf("giving %s/%s its address: %w", s.Namespace, s.Name, err)
	}
	log.Printf("%s/%s has the address %s", s.Namespace, s.Name, address)
	return address, nil
}

func inRange(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && netip.MustParsePrefix(layout.LoadBalancers).Contains(a)
}

func firstFree(taken map[string]bool) string {
	prefix := netip.MustParsePrefix(layout.LoadBalancers)
	for a := prefix.Addr().Next(); prefix.Contains(a.Next()); a = a.Next() {
		if !taken[a.String()] {
			return a.String()
		}
	}
	return ""
}

// sortedByName makes the choice among healthy nodes the same every time.
func sortedByName(nodes []*corev1.Node) []*corev1.Node {
	byName := map[string]*corev1.Node{}
	for _, n := range nodes {
		byName[n.Name] = n
	}
	var sorted []*corev1.Node
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		sorted = append(sorted, byName[name])
	}
	return sorted
}
