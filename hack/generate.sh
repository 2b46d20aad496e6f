#!/usr/bin/env bash
# Writes everything that is generated: deep copies, apply configurations, CRDs, the operator's RBAC, and
# the reference pages. Versions of the generators are pinned in go.mod.
set -euo pipefail

gen() { go tool controller-gen "$@"; }
boilerplate=headerFile=hack/boilerplate.go.txt

gen "object:$boilerplate" "applyconfiguration:$boilerplate" paths=./api/...
# Descriptions are cut at 300 characters: Kubernetes' own types would fill the CRDs with theirs.
gen crd:maxDescLen=300 paths=./api/... output:crd:artifacts:config=config/crd
if compgen -G 'internal/controller/*/*.go' >/dev/null; then
	gen rbac:roleName=timonier-operator paths=./internal/... output:rbac:artifacts:config=config/rbac
fi
go run ./hack/reference
