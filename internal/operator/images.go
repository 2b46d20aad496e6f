package operator

import (
	"context"
	"fmt"
	"maps"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bundledImages by major version: what `make images` makes, beside the operator's own image. One image holds the
// programs of both versions.
var bundledImages = map[string]string{"15": "postgres:17", "17": "postgres:17"}

// ownImage is the image that this operator runs from, as its pod names it: so it follows whatever tool changes it.
func ownImage(ctx context.Context, reader client.Reader, namespace, name string) (string, error) {
	pod := &corev1.Pod{}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
		return "", fmt.Errorf("reading the operator's own pod %s/%s, for its image; --manager-image tells it otherwise: %w", namespace, name, err)
	}
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == "operator" {
			return pod.Spec.Containers[i].Image, nil
		}
	}
	return "", fmt.Errorf("the operator's own pod %s/%s has no container `operator`; --manager-image tells its image", namespace, name)
}

// postgresImages are the bundled ones, from where the operator's own image is, with what the flags say over them.
func postgresImages(own string, flags map[string]string) map[string]string {
	images := map[string]string{}
	for version, image := range bundledImages {
		repository, _, _ := strings.Cut(own, "@")
		images[version] = image
		if prefix := path.Dir(repository); prefix != "." {
			images[version] = prefix + "/" + image
		}
	}
	maps.Copy(images, flags)
	return images
}
