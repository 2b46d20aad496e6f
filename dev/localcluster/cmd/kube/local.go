package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/timonier-io/timonier/dev/localcluster/internal/csi"
	"github.com/timonier-io/timonier/dev/localcluster/internal/growth"
	"github.com/timonier-io/timonier/dev/localcluster/internal/loadbalancer"
	"github.com/timonier-io/timonier/dev/localcluster/internal/provision"
	"github.com/timonier-io/timonier/dev/localcluster/internal/registry"
)

// runController provisions and grows volumes, serves load balancers, and passes on the nodes'
// requests for images. Whichever fails ends the process; `localcluster up` starts it again.
func runController() int {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file")
	volumes := flag.String("volumes", "", "directory of the volumes' images")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Printf("reading the kubeconfig: %v", err)
		return 1
	}
	config.QPS, config.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Printf("making the client: %v", err)
		return 1
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { provision.Run(ctx, client, *volumes); return nil })
	group.Go(func() error { return growth.Run(ctx, client) })
	group.Go(func() error { return loadbalancer.Run(ctx, client) })
	group.Go(registry.Serve)
	if err := group.Wait(); err != nil {
		log.Print(err)
		return 1
	}
	return 0
}

func runCSI() int {
	node := flag.String("node", "", "name of the node")
	volumes := flag.String("volumes", "", "directory of the volumes' images")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	driver := csi.Driver{Node: *node, Volumes: *volumes, Log: log.Printf}
	if err := driver.Run(ctx); err != nil {
		log.Print(err)
		return 1
	}
	return 0
}
