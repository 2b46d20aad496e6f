# Everything a developer or a user of this repository does, by name. `make` alone lists it.
# What takes more than a line is a script in hack/, which can be read and run alone.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

LOCAL      := $(CURDIR)/.local
BIN        := $(LOCAL)/bin
IMAGES     := $(LOCAL)/images
KUBECONFIG ?= $(LOCAL)/kubeconfig
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# Where images are pushed by `make images REGISTRY=…`, and pulled from by `make deploy REGISTRY=…`.
REGISTRY   ?=
# What `make undeploy` may remove beside the operator: nothing, unless it is told so in full.
CONFIRM    ?=
NODES      ?= 3
# How many worlds `make test-sim` tries.
SEEDS      ?= 8000
SEED       ?=
# How long `make soak` goes on, how long each hardship lasts, and what `make bench-ha` and `make test-faults` are to do.
SOAK       ?=
STEADY     ?=
FAULT      ?=
LOAD       ?=
RUNS       ?=
FAULTS_RUN ?=

MODULE  := github.com/timonier-io/timonier
MODULES := . dev/localcluster images hack/tools
LDFLAGS := -s -w -X $(MODULE)/internal/version.version=$(VERSION)
STEP    := hack/step.sh
# Programs, their tests and the linter share what was compiled once. Only the race detector needs another build.
SHARED  := CGO_ENABLED=0 GOFLAGS=-trimpath

# kubectl, and the programs that tests of the API start, are built here; a kubectl of the machine's goes first.
export PATH := $(PATH):$(BIN)
BENCH_FLAGS ?=
export BENCH_FLAGS KUBECONFIG VERSION REGISTRY CONFIRM NODES SOAK SEED FAULT LOAD FAULTS_RUN RUNS STEADY

.PHONY: help
help: ## List what can be made
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ See it work

.PHONY: demo cluster-up cluster-down
demo: prerequisites ## Start a cluster of three on a Kubernetes on this machine, and tell how to connect; repeatable
	@hack/demo.sh

cluster-up: prerequisites localcluster ## Start a Kubernetes of three nodes on this machine (NODES=n)
	@$(STEP) "starting Kubernetes on this machine" $(BIN)/localcluster up --nodes $(NODES)

cluster-down: ## Remove that Kubernetes with all its data
	@if [ -x $(BIN)/localcluster ]; then $(BIN)/localcluster down; else echo "there is no local cluster"; fi

##@ Build

.PHONY: build localcluster imagebuild images image-timonier image-postgres
build: ## Compile operator, instance manager and the plug-in of kubectl, static, to .local/bin/linux
	@for program in $$(ls cmd); do \
		$(SHARED) $(STEP) "compiling $$program" go build -ldflags '$(LDFLAGS)' -o $(BIN)/linux/$$program ./cmd/$$program; \
	done
	@ln -sf linux/kubectl-timonier $(BIN)/kubectl-timonier
	@ln -sf kubectl-timonier $(BIN)/kubectl_complete-timonier

localcluster: ## Compile the local Kubernetes (the first time takes about ten minutes)
	@$(STEP) "compiling the local Kubernetes" $(MAKE) -C dev/localcluster build

imagebuild: ## Compile the maker of images
	@cd images && ../$(STEP) "compiling the maker of images" go build -trimpath -o $(BIN)/imagebuild ./cmd/imagebuild

images: image-timonier image-postgres ## Make both images as archives in .local/images; REGISTRY=host/prefix pushes them (INSECURE=1: plain HTTP)
	@if [ -n "$(REGISTRY)" ]; then \
		$(STEP) "pushing to $(REGISTRY)" $(BIN)/imagebuild push --registry "$(REGISTRY)" $(if $(INSECURE),--insecure) $(IMAGES)/timonier.tar $(IMAGES)/postgres.tar; \
	fi

image-timonier: build imagebuild
	@$(STEP) "making the image of operator and instance manager" $(BIN)/imagebuild timonier --binaries $(BIN)/linux --out $(IMAGES)/timonier.tar

image-postgres: imagebuild
	@$(STEP) "making the PostgreSQL image" $(BIN)/imagebuild postgres --out $(IMAGES)/postgres.tar --rootfs $(IMAGES)/postgres.rootfs

##@ Install

.PHONY: deploy undeploy
deploy: ## Install the operator where KUBECONFIG points (default: the local cluster); REGISTRY= as for images
	@hack/deploy.sh

undeploy: ## Remove the operator; clusters go on. CONFIRM=delete-all-clusters removes them too, with the CRDs
	@hack/undeploy.sh

##@ Check

.PHONY: test test-unit test-sim test-integration test-images test-instance test-localcluster test-e2e test-faults soak lint verify generate test-alerts bench-create bench-ha bench-scale
test: prerequisites ## Run every test and the linter, cheapest first, each with its time
	@hack/test.sh

test-unit: ## Run the fast tests, with the race detector
	@CGO_ENABLED=1 go test -race -shuffle=on ./...

test-sim: ## Try the protocol of failover in thousands of worlds (SEEDS=n; SEED=n tells the story of one)
	@$(SHARED) go test -tags sim -count 1 -v ./internal/sim -args -seeds $(SEEDS) $(if $(SEED),-seed $(SEED)) | grep -vE '^=== RUN'

test-integration: localcluster ## Test the API against a real API server and etcd
	@$(SHARED) go test -tags integration -timeout 20m ./test/integration/... ./internal/controller/... ./internal/operator/...

# What was tested is not cached: the tests build the program that they start, of which go does not know. One package after the other: what takes over in
# seconds must not wait for the disks of another package's servers.
test-instance: localcluster ## Test the instance manager against real PostgreSQL, from the image's root file system
	@[ -d $(IMAGES)/postgres.rootfs ] || $(MAKE) image-postgres
	@$(SHARED) TIMONIER_POSTGRES_ROOTFS=$(IMAGES)/postgres.rootfs go test -tags integration -count 1 -p 1 -parallel 4 -timeout 15m ./internal/postgres/... ./internal/instance/... ./test/instance/... ./test/workload/... ./test/facts/...

test-alerts: ## Test the alerts for Prometheus, with promtool
	@hack/test-alerts.sh

test-images: ## Test what the images hold, and their Dockerfiles
	@$(MAKE) -C images test

test-localcluster: localcluster ## Test the local Kubernetes and its faults; takes a running one down
	@$(MAKE) -C dev/localcluster test

test-e2e: cluster-up images ## Test everything on the local cluster
	@hack/e2e.sh

test-faults: cluster-up images ## Break clusters on the local Kubernetes in every way, with clients writing (FAULTS_RUN=regexp; STEADY=duration)
	@hack/faults.sh test

soak: cluster-up images ## The same at random, two faults at once too, for SOAK=duration, from SEED=n, to bench/soak.json
	@hack/faults.sh soak

# What links Kubernetes itself is left to the compiler: linting it would compile Kubernetes a second time.
lint: $(BIN)/golangci-lint ## Lint all modules and scripts
	@$(SHARED) $(STEP) "linting the product" $(BIN)/golangci-lint run --allow-serial-runners
	@cd images && ../$(STEP) "linting images" $(BIN)/golangci-lint run --allow-serial-runners
	@cd dev/localcluster && $(SHARED) ../../$(STEP) "linting dev/localcluster" \
		$(BIN)/golangci-lint run --allow-serial-runners ./cmd/localcluster ./cmd/pause ./internal/... ./test/...
	@$(STEP) "linting scripts" shellcheck .ci/run hack/*.sh

.PHONY: linter
linter: $(BIN)/golangci-lint ## Compile the linter

$(BIN)/golangci-lint: hack/tools/go.mod
	@cd hack/tools && ../step.sh "compiling the linter" go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

verify: ## Check that generated files, formatting and modules are up to date
	@hack/verify.sh $(MODULES)

generate: ## Write generated code, CRDs, RBAC and reference pages
	@hack/generate.sh

bench-create: cluster-up images ## Measure how long clusters take to be created, to bench/create.json
	@hack/bench-create.sh

bench-ha: cluster-up images ## Measure how long writes are away after each fault, or FAULT=name, RUNS=n times, LOAD=busy with more clients, to bench/ha.json
	@hack/faults.sh bench

bench-scale: build localcluster ## Measure the operator with 2,000 clusters whose instances are played, to bench/scale.json (BENCH_FLAGS="--clusters 20 …")
	@hack/bench-scale.sh

.PHONY: prerequisites
prerequisites:
	@hack/prerequisites.sh
