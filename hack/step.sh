#!/usr/bin/env bash
# step.sh TITLE COMMAND… runs a command that may take long: it tells what is done, every half minute
# that it still goes on, how long it took, and on failure what to do next (HINT, if it is set).
set -uo pipefail

title=$1
shift
begin=$SECONDS
echo "==> $title"

# The sleep holds nothing of ours: a pipe would stay open for as long as it lasts.
while sleep 30 >/dev/null 2>&1; do echo "    … $title, $((SECONDS - begin)) s"; done &
ticker=$!
trap 'kill $ticker 2>/dev/null' EXIT

"$@"
code=$?
if [ $code -eq 0 ]; then
	echo "    done in $((SECONDS - begin)) s"
else
	echo "    FAILED after $((SECONDS - begin)) s: $title" >&2
	echo "    ${HINT:-what it printed above tells why; the command was: $*}" >&2
fi
exit $code
