#!/usr/bin/env bash
# failures.sh LOG prints what the tests that failed said, and nothing else, of the output of `go test -v`: tests that ran at the
# same time have their lines mixed there.
set -euo pipefail

awk '
function is_end(line) { return line ~ /^ *--- (PASS|FAIL|SKIP): / }
FNR == NR { if (is_end($0) && $2 == "FAIL:") failed[$3]; next }
/^=== / { test = $2 == "PAUSE" ? "" : $3; next }
is_end($0) { test = ""; if ($2 == "FAIL:") print; next }
test in failed
' "$1" "$1"
