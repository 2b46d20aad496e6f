#!/usr/bin/env bash
# verify.sh MODULE… checks formatting, that what is generated is up to date, and each module's dependencies. It
# compares before and after, so that it can be run on a work tree with changes. What vet finds, the linter finds too.
set -euo pipefail

fail() {
	echo "$1" >&2
	exit 1
}

echo "==> formatting"
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l)
[ -z "$unformatted" ] || fail "not formatted; run gofmt -w on: $unformatted"

echo "==> generated files"
state() { git ls-files -co --exclude-standard -- api config docs/reference | sort | while read -r f; do [ ! -e "$f" ] || sha256sum "$f"; done; }
before=$(state)
hack/generate.sh
after=$(state)
[ "$before" = "$after" ] || {
	diff <(echo "$before") <(echo "$after") >&2 || true
	fail "generated files were not up to date and have been written now: commit them"
}

for module in "$@"; do
	echo "==> modules of $module"
	(cd "$module" && go mod tidy -diff >/dev/null) || fail "go.mod of $module is not tidy: run go mod tidy there"
done
