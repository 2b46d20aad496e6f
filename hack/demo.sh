#!/usr/bin/env bash
# From a clean checkout to a cluster of three that takes connections, on this machine alone. It can be run
# again: what is there is kept, what has changed is rolled out.
set -euo pipefail

# Never the cluster that the user's own KUBECONFIG names.
export KUBECONFIG=$PWD/.local/kubeconfig
export REGISTRY=""

if [ "$(id -u)" != 0 ]; then
	echo "the local Kubernetes makes network namespaces and mounts: run \`make demo\` as root" >&2
	exit 1
fi
make images
make cluster-up
hack/step.sh "loading images into every node" .local/bin/localcluster load .local/images/timonier.tar .local/images/postgres.tar
hack/deploy.sh
hack/step.sh "creating the cluster demo" kubectl apply --server-side -k config/samples
HINT="see why: kubectl get pgc demo -o wide; hack/diagnose.sh prints everything" \
	hack/step.sh "waiting until demo is ready" kubectl wait --for=condition=Ready pgc/demo --timeout=300s
kubectl get pgc demo

cat <<'TEXT'

PostgreSQL is there. To use it, in this directory:

  export KUBECONFIG=$PWD/.local/kubeconfig PATH=$PATH:$PWD/.local/bin

  hack/psql.sh demo                     a session of the role app in its database, over TLS
  kubectl get pgc                       the cluster, in a line
  kubectl get secret demo-app -o yaml   how applications connect: uri, jdbc-uri, ca.crt

docs/quickstart.md goes on from here. `make cluster-down` removes everything.
TEXT
