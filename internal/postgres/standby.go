package postgres

import (
	"slices"
	"strconv"
	"strings"
)

// StandbySensitive are the parameters that a hot standby may not set lower than
// its primary: it would stop as soon as it replays the record that tells of the primary's value.
// https://www.postgresql.org/docs/17/hot-standby.html#HOT-STANDBY-ADMIN
var StandbySensitive = []string{
	"max_connections",
	"max_locks_per_transaction",
	"max_prepared_transactions",
	"max_wal_senders",
	"max_worker_processes",
}

// Raised tells whether any of StandbySensitive is to become greater than it is. A name that is missing in either is not compared.
func Raised(running, desired map[string]int64) bool {
	return anyOf(running, desired, func(now, then int64) bool { return then > now })
}

// Lowered tells whether any of StandbySensitive is to become less than it is. A name that is missing in either is not compared.
func Lowered(running, desired map[string]int64) bool {
	return anyOf(running, desired, func(now, then int64) bool { return then < now })
}

func anyOf(running, desired map[string]int64, differs func(now, then int64) bool) bool {
	return slices.ContainsFunc(StandbySensitive, func(name string) bool {
		now, known := running[name]
		then, asked := desired[name]
		return known && asked && differs(now, then)
	})
}

// SynchronousStandbyNames is the setting under which a commit waits until this many of the named standbys have flushed it; empty where it waits for nobody.
// https://www.postgresql.org/docs/17/runtime-config-replication.html#GUC-SYNCHRONOUS-STANDBY-NAMES
func SynchronousStandbyNames(number int, names []string) string {
	if number <= 0 {
		return ""
	}
	quoted := make([]string, 0, len(names))
	for _, name := range slices.Sorted(slices.Values(names)) {
		quoted = append(quoted, QuoteIdentifier(name))
	}
	return "ANY " + strconv.Itoa(number) + " (" + strings.Join(quoted, ", ") + ")"
}
