#!/usr/bin/env bash
# Installs what compiling and testing need, where this is Debian and we are root; tells it otherwise.
# What the local cluster and the images need beside that, they install themselves.
set -euo pipefail

declare -A packages=([gcc]=gcc [git]=git [shellcheck]=shellcheck [make]=make [ip]=iproute2)
missing=()
for program in "${!packages[@]}"; do
	command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
# The race detector links against the C library.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing on this machine: ${missing[*]}; install these packages and run this again" >&2
		exit 1
	fi
	echo "==> installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o DPkg::Lock::Timeout=300 update
	apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

wanted=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.mod)
if ! command -v go >/dev/null; then
	echo "Go is missing: install Go $wanted or later from https://go.dev/dl/ and put it in PATH" >&2
	exit 1
fi
have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')
if [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -1)" != "$wanted" ]; then
	echo "Go $have is too old: install Go $wanted or later from https://go.dev/dl/" >&2
	exit 1
fi
