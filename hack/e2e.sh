#!/usr/bin/env bash
# Loads the images into the local cluster, installs the operator, and runs test/e2e. On a failure it
# prints what the operator and the instances have to say.
set -uo pipefail

# Never another cluster: these tests break nodes.
export KUBECONFIG=$PWD/.local/kubeconfig

if ! compgen -G 'test/e2e/*_test.go' >/dev/null; then
	echo "there are no end-to-end tests" >&2
	exit 1
fi
set -e
hack/step.sh "loading images into every node" .local/bin/localcluster load .local/images/timonier.tar .local/images/postgres.tar
REGISTRY="" hack/deploy.sh
set +e
# A line for each test as it ends; what else they say is kept, and shown when one fails: last what that one said.
CGO_ENABLED=0 GOFLAGS=-trimpath go test -v -tags e2e -count 1 -timeout "${E2E_TIMEOUT:-25m}" ${E2E_RUN:+-run "$E2E_RUN"} ./test/e2e/... 2>&1 |
	tee .local/e2e.log | grep --line-buffered -E '^(--- |ok|FAIL|panic:)'
code=${PIPESTATUS[0]}
[ "$code" -eq 0 ] || { cat .local/e2e.log && hack/diagnose.sh && hack/failures.sh .local/e2e.log; }
exit "$code"
