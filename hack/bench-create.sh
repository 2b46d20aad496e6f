#!/usr/bin/env bash
# Measures on the local cluster how long clusters take to be created, and what operator and instances weigh
# at rest. Figures go to bench/create.json and docs/benchmarks.md. BENCH_FLAGS are those of test/bench/create.
set -euo pipefail

export KUBECONFIG=$PWD/.local/kubeconfig
hack/step.sh "loading images into every node" .local/bin/localcluster load .local/images/timonier.tar .local/images/postgres.tar
REGISTRY="" hack/deploy.sh
read -ra flags <<<"${BENCH_FLAGS:-}"
hack/step.sh "measuring" go run ./test/bench/create "${flags[@]}"
