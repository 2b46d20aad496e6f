#!/usr/bin/env bash
# Tests the alerts with promtool, from Debian's prometheus, which is installed without being started.
set -euo pipefail

if ! command -v promtool >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "promtool is missing on this machine: install Prometheus and run this again" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	directory=$(mktemp -d)
	trap 'rm -rf "$directory"' EXIT
	apt-get -qq -o DPkg::Lock::Timeout=300 update
	(cd "$directory" && apt-get -qq download prometheus >/dev/null && dpkg-deb --fsys-tarfile ./*.deb | tar -x --directory "$directory" ./usr/bin/promtool)
	install -D -m 755 "$directory/usr/bin/promtool" .local/bin/promtool
fi
promtool check rules config/monitoring/alerts.yaml
promtool test rules config/monitoring/alerts_test.yaml
