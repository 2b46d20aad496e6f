#!/usr/bin/env bash
# Installs CRDs, RBAC and operator where KUBECONFIG points. Without REGISTRY the images are those that
# were loaded into the local cluster; with it, those that `make images REGISTRY=…` pushed.
set -euo pipefail

local=timonier.local/timonier
image=${REGISTRY:+$REGISTRY/timonier}
image=${image:-$local}
kubectl version --client >/dev/null 2>&1 || {
	echo "kubectl is missing: install it, or run \`make localcluster\`, which builds one to .local/bin" >&2
	exit 1
}
kubectl version >/dev/null 2>&1 || {
	echo "no Kubernetes answers at KUBECONFIG=$KUBECONFIG: run \`make cluster-up\`, or point KUBECONFIG to one that runs" >&2
	exit 1
}

# An overlay of this checkout: which image, and its digest, so that a new build under the same name is rolled out.
overlay=.local/deploy
mkdir -p "$overlay"
digest=none
[ ! -e .local/images/timonier.tar.digest ] || digest=$(cat .local/images/timonier.tar.digest)
cat >"$overlay/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images:
  - {name: $local, newName: $image, newTag: dev}
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: timonier-operator, namespace: timonier-system}
      spec: {template: {metadata: {annotations: {timonier.io/image-digest: "$digest"}}}}
YAML
hack/step.sh "installing the operator" kubectl apply --server-side -k "$overlay"
HINT="see why: kubectl -n timonier-system describe pods; kubectl -n timonier-system logs deploy/timonier-operator" \
	hack/step.sh "waiting until the operator is ready" \
	kubectl -n timonier-system rollout status deployment/timonier-operator --timeout=120s
