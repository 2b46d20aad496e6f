#!/usr/bin/env bash
# Runs every stage of the tests, what fails cheaply first, and tells what each took of the time that its
# share has. Stops at the first stage that fails. The last line counts test packages and other stages.
set -uo pipefail

# stage  share  — the shares are minutes on two cores with empty caches: see CONTRIBUTING.md
stages=(
	"verify lint"
	"test-alerts lint"
	"test-unit unit"
	"test-sim simulation"
	"linter builds"
	"lint lint"
	"build builds"
	"imagebuild builds"
	"images builds"
	"localcluster builds"
	"test-integration integration"
	"test-instance integration"
	"test-images builds"
	"test-localcluster localcluster"
	"test-e2e e2e"
	"test-faults faults"
)
declare -A budget=([builds]=25 [lint]=5 [unit]=3 [simulation]=3 [integration]=12 [localcluster]=8 [e2e]=13 [faults]=12) used=() stage_time=()
mkdir -p .local
log=.local/test.log
: >"$log"
code=0
failed=""

for entry in "${stages[@]}"; do
	read -r stage share <<<"$entry"
	begin=$SECONDS
	echo "=== $stage"
	make "$stage" 2>&1 | tee -a "$log"
	code=${PIPESTATUS[0]}
	took=$((SECONDS - begin))
	stage_time[$stage]=$took
	used[$share]=$((${used[$share]:-0} + took))
	printf '=== %s: %d s (%s: %d of %d s)\n' "$stage" "$took" "$share" "${used[$share]}" $((budget[$share] * 60))
	if [ "$code" -ne 0 ]; then
		failed=$stage
		break
	fi
done

echo
echo "=== time"
for entry in "${stages[@]}"; do
	read -r stage share <<<"$entry"
	[ -z "${stage_time[$stage]:-}" ] || printf '%-18s %5d s  %s\n' "$stage" "${stage_time[$stage]}" "$share"
done
for share in "${!used[@]}"; do
	over=""
	[ "${used[$share]}" -le $((budget[$share] * 60)) ] || over="  OVER ITS SHARE"
	printf 'share %-12s %5d of %4d s%s\n' "$share" "${used[$share]}" $((budget[$share] * 60)) "$over"
done
echo "all stages         $SECONDS s"

ok=$(grep -cE '^ok[[:space:]]' "$log")
bad=$(grep -cE '^FAIL[[:space:]]+[^[:space:]]' "$log")
if [ -n "$failed" ]; then
	[ "$bad" -gt 0 ] || bad=1
	echo "stage $failed failed: \`make $failed\` runs it alone" >&2
fi
echo "$ok passed, $bad failed"
exit "$code"
