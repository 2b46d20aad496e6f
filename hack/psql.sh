#!/usr/bin/env bash
# psql.sh CLUSTER [ROLE [ARGUMENT…]] opens psql as a role of a cluster (app, unless told otherwise), in the
# way that an application connects: through the read-write Service, over TLS, with the server's name
# verified. It runs in the primary's pod, so that no psql is needed here. NAMESPACE is default.
set -euo pipefail

cluster=${1:?usage: hack/psql.sh CLUSTER [ROLE [ARGUMENT…]]}
role=${2:-app}
shift $(($# < 2 ? $# : 2))
namespace=${NAMESPACE:-default}
secret=$cluster-${role//_/-}

primary=$(kubectl -n "$namespace" get pgc "$cluster" -o jsonpath='{.status.primary}')
[ -n "$primary" ] || {
	echo "$cluster has no primary now: kubectl -n $namespace get pgc $cluster -o wide tells why" >&2
	exit 1
}
value() { kubectl -n "$namespace" get secret "$secret" -o "go-template={{index .data \"$1\" | base64decode}}"; }
run() { kubectl -n "$namespace" exec "$@"; }

# Password and authority go into files that psql reads: arguments of a process are there for all to see.
dir=/tmp/psql-$$
trap 'run "$primary" -c postgres -- rm -rf $dir >/dev/null 2>&1 || true' EXIT
printf '*:*:*:*:%s\n' "$(value password)" |
	run -i "$primary" -c postgres -- sh -c "umask 077; mkdir -p $dir; cat >$dir/pass"
value ca.crt | run -i "$primary" -c postgres -- sh -c "cat >$dir/ca.crt"

interactive=(-i)
[ ! -t 0 ] || interactive=(-it)
run "${interactive[@]}" "$primary" -c postgres -- env \
	PGHOST="$(value host)" PGPORT="$(value port)" PGUSER="$(value username)" PGDATABASE="$(value dbname)" \
	PGPASSFILE=$dir/pass PGSSLMODE=verify-full PGSSLROOTCERT=$dir/ca.crt psql "$@"
