#!/usr/bin/env bash
# Installs CRDs, RBAC and operator where KUBECONFIG points. Without REGISTRY the images are those that
# were loaded into the local cluster; with it, those that `make images REGISTRY=…` pushed.
set -euo pipefail

kubectl version --client >/dev/null 2>&1 || {
	echo "kubectl is missing: install it, or run \`make localcluster\`, which builds one to .local/bin" >&2
	exit 1
}
kubectl version >/dev/null 2>&1 || {
	echo "no Kubernetes answers at KUBECONFIG=$KUBECONFIG: run \`make cluster-up\`, or point KUBECONFIG to one that runs" >&2
	exit 1
}

# digest_of IMAGE is that of the archive which was made last.
digest_of() {
	cat ".local/images/$1.tar.digest" 2>/dev/null || {
		[ -z "${REGISTRY:-}" ] || {
			echo "which build was pushed to $REGISTRY is not known here, without .local/images/$1.tar.digest: run \`make images REGISTRY=$REGISTRY\`" >&2
			return 1
		}
		echo none
	}
}

# An overlay of this checkout: which image, and its digest, so that a new build under the same name is rolled out.
overlay=.local/deploy
mkdir -p "$overlay"
digest=$(digest_of timonier)
image="newTag: dev"
arguments=""
if [ -n "${REGISTRY:-}" ]; then
	# By digest: a node that has a former build under the same tag would not pull another one.
	registry=${REGISTRY%/}
	image="newName: \"$registry/timonier\", digest: \"$digest\""
	postgres=$registry/postgres@$(digest_of postgres)
	arguments="
  - target: {kind: Deployment, name: timonier-operator}
    patch: |
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: \"--postgres-image=15=$postgres,17=$postgres\"}"
fi
cat >"$overlay/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../config/default]
images:
  - {name: timonier.local/timonier, $image}
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: timonier-operator, namespace: timonier-system}
      spec: {template: {metadata: {annotations: {timonier.io/image-digest: "$digest"}}}}$arguments
YAML
# A Deployment that was made without a strategy has the default's rollingUpdate, which goes with no other type; what
# nobody has applied, `apply` does not remove.
if [ -n "$(kubectl -n timonier-system get deployment timonier-operator --ignore-not-found -o 'jsonpath={.spec.strategy.rollingUpdate}')" ]; then
	kubectl -n timonier-system patch deployment timonier-operator --type=merge \
		--patch '{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}' >/dev/null
fi
hack/step.sh "installing the operator" kubectl apply --server-side -k "$overlay"
HINT="see why: ${REGISTRY:+was this build pushed, by make images REGISTRY=$REGISTRY? }kubectl -n timonier-system describe pods; kubectl -n timonier-system logs deploy/timonier-operator" \
	hack/step.sh "waiting until the operator is ready" \
	kubectl -n timonier-system rollout status deployment/timonier-operator --timeout=120s
