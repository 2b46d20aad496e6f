#!/usr/bin/env bash
# Tests the alerts with promtool: the machine's own, or that of Debian's package prometheus, of which nothing else is taken. Nothing is started.
set -euo pipefail
cd "$(dirname "$0")/.."

promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
	promtool=.local/bin/promtool
fi
if [ ! -x "$promtool" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "promtool is missing on this machine: install Prometheus and run this again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	directory=$(mktemp -d)
	trap 'rm -rf "$directory"' EXIT
	apt-get -qq -o DPkg::Lock::Timeout=300 update
	(cd "$directory" && apt-get -qq -o APT::Sandbox::User=root download prometheus && dpkg-deb --fsys-tarfile ./prometheus_*.deb | tar -x ./usr/bin/promtool)
	install -D -m 755 "$directory/usr/bin/promtool" "$promtool"
fi
"$promtool" check rules config/monitoring/alerts.yaml
"$promtool" test rules config/monitoring/alerts_test.yaml
