// Package addons holds what is put into the cluster once its API answers: DNS, the volume driver's
// registration and the storage classes. Each file in manifests is one object.
package addons

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/timonier-io/timonier/dev/localcluster/internal/api"
	"github.com/timonier-io/timonier/dev/localcluster/internal/image"
	"github.com/timonier-io/timonier/dev/localcluster/internal/node"
)

//go:embed manifests/*.yaml
var manifests embed.FS

// collections says where in the API objects of each kind are.
var collections = map[string]string{
	"ServiceAccount":     "/api/v1/namespaces/%s/serviceaccounts/",
	"ConfigMap":          "/api/v1/namespaces/%s/configmaps/",
	"Service":            "/api/v1/namespaces/%s/services/",
	"Deployment":         "/apis/apps/v1/namespaces/%s/deployments/",
	"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles/",
	"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/",
	"CSIDriver":          "/apis/storage.k8s.io/v1/csidrivers/",
	"StorageClass":       "/apis/storage.k8s.io/v1/storageclasses/",
}

// Apply writes every object.
func Apply(ctx context.Context, client *api.Client) error {
	files, err := manifests.ReadDir("manifests")
	if err != nil {
		return err
	}
	for _, f := range files {
		manifest, err := manifests.ReadFile("manifests/" + f.Name())
		if err != nil {
			return err
		}
		path, err := pathOf(manifest)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		if err := client.Apply(ctx, path, manifest); err != nil {
			return fmt.Errorf("applying %s: %w", f.Name(), err)
		}
	}
	return nil
}

var (
	kindLine      = regexp.MustCompile(`(?m)^kind: (\w+)$`)
	nameLine      = regexp.MustCompile(`(?m)^  name: ([\w.:-]+)$`)
	namespaceLine = regexp.MustCompile(`(?m)^  namespace: ([\w-]+)$`)
)

// pathOf reads from a manifest where its object is. Our own manifests are regular enough for that.
func pathOf(manifest []byte) (string, error) {
	kind, name := kindLine.FindSubmatch(manifest), nameLine.FindSubmatch(manifest)
	if kind == nil || name == nil {
		return "", fmt.Errorf("it has no line `kind: …` or no line `  name: …`")
	}
	collection, ok := collections[string(kind[1])]
	if !ok {
		return "", fmt.Errorf("kind %s is not in the table of collections", kind[1])
	}
	if strings.Contains(collection, "%s") {
		namespace := namespaceLine.FindSubmatch(manifest)
		if namespace == nil {
			return "", fmt.Errorf("it has no line `  namespace: …`")
		}
		collection = fmt.Sprintf(collection, namespace[1])
	}
	return collection + string(name[1]), nil
}

// Images describes the images that every node gets, by the file name of their archive. Bin holds
// the programs.
func Images(bin string) map[string]image.Program {
	return map[string]image.Program{
		"pause.tar": {
			Reference: node.PauseImage, User: "65535:65535",
			Files: map[string]string{"/bin/pause": bin + "/pause"}, Entrypoint: []string{"/bin/pause"},
		},
		"coredns.tar": {
			Reference: "localcluster.timonier.io/coredns:1",
			Files:     map[string]string{"/bin/coredns": bin + "/coredns"}, Entrypoint: []string{"/bin/coredns"},
		},
	}
}
