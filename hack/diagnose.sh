#!/usr/bin/env bash
# Prints what a person would look at first when something does not work: clusters with their conditions,
# pods, recent events, and the end of the logs of the operator and of every instance. No Secret is read.
set -uo pipefail

lines=${LINES_PER_LOG:-60}
echo "=== clusters"
kubectl get pgc -A -o wide
kubectl get pgc -A -o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name}{"\n"}{range .status.conditions[*]}  {.type}={.status} {.reason}: {.message}{"\n"}{end}{end}'
echo "=== pods and volumes"
kubectl get pods,pvc -A -o wide
echo "=== events"
kubectl get events -A --sort-by=.lastTimestamp | tail -n 40
echo "=== operator"
kubectl -n timonier-system logs deploy/timonier-operator --tail "$lines"
kubectl get pods -A -l timonier.io/cluster -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}' |
	while read -r namespace pod; do
		echo "=== $namespace/$pod"
		kubectl -n "$namespace" logs "$pod" --tail "$lines" --all-containers
		kubectl -n "$namespace" logs "$pod" --tail "$lines" --all-containers --previous 2>/dev/null
	done
exit 0
