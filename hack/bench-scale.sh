#!/usr/bin/env bash
# Measures the operator with many clusters: a real API server, etcd and operator, and kubelets and instances that are played. Figures go to
# bench/scale.json and docs/benchmarks.md. BENCH_FLAGS are those of test/bench/scale.
set -euo pipefail

export CGO_ENABLED=0 GOFLAGS=-trimpath
# A connection to each instance may be open, in this process and in the operator's.
ulimit -n "$(ulimit -Hn)"
hack/step.sh "compiling" go build -o .local/bin/bench-scale ./test/bench/scale
hack/step.sh "compiling an operator that panics where it is asked to" go build -tags poison -o .local/bin/linux/timonier-operator-poison ./cmd/timonier-operator
read -ra flags <<<"${BENCH_FLAGS:-}"
exec .local/bin/bench-scale "${flags[@]}"
