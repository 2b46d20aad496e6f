#!/usr/bin/env bash
# Loads the images into the local cluster, installs the operator, and breaks clusters on purpose:
#
#   hack/faults.sh test          each fault once, every one checked (FAULTS_RUN: only those that match)
#   hack/faults.sh soak          faults at random for SOAK, alone, two at once and in the middle of a switchover, from SEED
#   hack/faults.sh bench         measures each fault RUNS times, or FAULT alone, to bench/ha.json; LOAD=busy: with more clients
set -euo pipefail

# Never another cluster: these break nodes.
export KUBECONFIG=$PWD/.local/kubeconfig
export CGO_ENABLED=0 GOFLAGS=-trimpath
hack/step.sh "loading images into every node" .local/bin/localcluster load .local/images/timonier.tar .local/images/postgres.tar
REGISTRY="" hack/deploy.sh
case ${1:-} in
test)
	# A line for each fault as it ends; what else they say is kept, and shown when one fails: last what that one said.
	set +e
	go test -v -tags faults -count 1 -timeout "${FAULTS_TIMEOUT:-30m}" ${FAULTS_RUN:+-run "$FAULTS_RUN"} ./test/faults \
		-args -steady "${STEADY:-10s}" 2>&1 |
		tee .local/faults.log | grep --line-buffered -E '^ *--- |^(ok|FAIL|panic:)|→'
	code=${PIPESTATUS[0]}
	[ "$code" -eq 0 ] || { cat .local/faults.log && hack/diagnose.sh && hack/failures.sh .local/faults.log; }
	exit "$code"
	;;
soak)
	go run ./test/faults/soak --for "${SOAK:-30m}" ${SEED:+--seed "$SEED"} --steady "${STEADY:-5m}"
	;;
bench)
	hack/step.sh "compiling" go build -o .local/bin/bench-ha ./test/bench/ha
	.local/bin/bench-ha --runs "${RUNS:-10}" ${FAULT:+--fault "$FAULT"} ${LOAD:+--load "$LOAD"}
	;;
*)
	echo "$0 test|soak|bench" >&2
	exit 2
	;;
esac
