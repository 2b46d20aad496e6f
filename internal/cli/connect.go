package cli

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
)

// place is where and as whom the API is asked, by kubectl's own flags.
type place struct {
	kubeconfig, context, namespace string
}

func (p *place) flags(flags *pflag.FlagSet) {
	flags.StringVar(&p.kubeconfig, "kubeconfig", "", "path of the kubeconfig file (default: as kubectl finds it)")
	flags.StringVar(&p.context, "context", "", "context of the kubeconfig to use")
	flags.StringVarP(&p.namespace, "namespace", "n", "", "namespace of the cluster (default: that of the context)")
}

// connect to the API, and find out the namespace.
func (p *place) connect() (c client.Client, namespace string, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: p.context}
	overrides.Context.Namespace = p.namespace
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	if namespace, _, err = loader.Namespace(); err != nil {
		return nil, "", fmt.Errorf("finding the namespace: %w", err)
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("finding the Kubernetes API: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, "", fmt.Errorf("registering kinds: %w", err)
	}
	if c, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, "", fmt.Errorf("reaching the Kubernetes API: %w", err)
	}
	return c, namespace, nil
}
