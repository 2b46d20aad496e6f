package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// bundledImages by major version: what `make images` makes, beside the operator's own image. One image holds the
// programs of both versions.
var bundledImages = map[string]string{"15": "postgres:17", "17": "postgres:17"}

// ownPod is the one that this operator runs in; nil where it was not told which.
func ownPod(ctx context.Context, config *rest.Config, namespace, name string) (*corev1.Pod, error) {
	if name == "" {
		return nil, nil
	}
	reader, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("reaching the Kubernetes API: %w", err)
	}
	pod := &corev1.Pod{}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, pod); err != nil {
		return nil, fmt.Errorf("reading the operator's own pod %s/%s, for its image and its identity; --pod-name tells which it is: %w", namespace, name, err)
	}
	return pod, nil
}

// ownImage is the image that this operator runs from, as its pod names it: so it follows whatever tool changes it.
func ownImage(pod *corev1.Pod) (string, error) {
	if pod == nil {
		return "", errors.New("the operator does not know its own image, which goes into pods: --pod-name tells the pod that it runs in, or --manager-image the image")
	}
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == "operator" {
			return pod.Spec.Containers[i].Image, nil
		}
	}
	return "", fmt.Errorf("the operator's own pod %s/%s has no container `operator`; --manager-image tells its image", pod.Namespace, pod.Name)
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
