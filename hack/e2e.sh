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
CGO_ENABLED=0 GOFLAGS=-trimpath go test -tags e2e -count 1 -timeout "${E2E_TIMEOUT:-25m}" ${E2E_RUN:+-run "$E2E_RUN"} ./test/e2e/...
code=$?
[ $code -eq 0 ] || hack/diagnose.sh
exit $code
