#!/usr/bin/env bash
# Removes the operator from where KUBECONFIG points. Databases do not need it to run, and CRDs hold what
# people wrote: both stay, unless CONFIRM=delete-all-clusters.
set -euo pipefail

confirmation=delete-all-clusters
if [ -n "${CONFIRM:-}" ] && [ "$CONFIRM" != "$confirmation" ]; then
	echo "CONFIRM=$CONFIRM is not understood; CONFIRM=$confirmation removes every PostgresCluster and the CRDs" >&2
	exit 1
fi
kubectl version --client >/dev/null 2>&1 || {
	echo "kubectl is missing: install it, or run \`make localcluster\`, which builds one to .local/bin" >&2
	exit 1
}

if [ "${CONFIRM:-}" = "$confirmation" ] && kubectl get crd postgresclusters.postgres.timonier.io >/dev/null 2>&1; then
	kubectl -n timonier-system get deployment timonier-operator >/dev/null 2>&1 || {
		echo "the operator is not installed, and only it can remove what belongs to clusters: run \`make deploy\` first" >&2
		exit 1
	}
	# The operator still runs: it removes what belongs to the clusters, and keeps volumes that are to be retained.
	HINT="a cluster that does not go has a condition that tells why: kubectl get pgc -A -o wide" \
		hack/step.sh "deleting every PostgresCluster" \
		kubectl delete postgresclusters.postgres.timonier.io --all --all-namespaces --timeout=300s
fi

hack/step.sh "removing the operator" kubectl delete --ignore-not-found -k config/operator --timeout=120s
hack/step.sh "removing its rights" kubectl delete --ignore-not-found -k config/rbac --timeout=60s

if [ "${CONFIRM:-}" = "$confirmation" ]; then
	hack/step.sh "removing the CRDs" kubectl delete --ignore-not-found -k config/crd --timeout=120s
else
	echo "    CRDs and databases stay; \`make deploy\` takes them up again."
	echo "    To remove them as well: make undeploy CONFIRM=$confirmation (after make deploy, since the operator deletes them)"
fi
