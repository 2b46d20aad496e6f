package postgres

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

// RestartOrder tells in which order a change that needs a restart is rolled through a cluster.
type RestartOrder string

const (
	// StandbysFirst is each standby, then the primary. Right for raised values, and for
	// every parameter that is not in StandbySensitive.
	StandbysFirst RestartOrder = "StandbysFirst"
	// PrimaryFirst is the primary, then each standby once it has replayed the primary's change.
	PrimaryFirst RestartOrder = "PrimaryFirst"
	// StandbysTwice is for values of which some are raised and others lowered: each standby with the
	// greater of both, the primary, then each standby again once it has replayed the change.
	StandbysTwice RestartOrder = "StandbysTwice"
)

// RestartOrderFor compares the values of StandbySensitive that are in force on the
// primary with the desired ones. A name that is missing in either is not compared.
func RestartOrderFor(running, desired map[string]int64) RestartOrder {
	var raised, lowered bool
	for _, name := range StandbySensitive {
		now, known := running[name]
		then, asked := desired[name]
		if !known || !asked {
			continue
		}
		raised = raised || then > now
		lowered = lowered || then < now
	}
	switch {
	case raised && lowered:
		return StandbysTwice
	case lowered:
		return PrimaryFirst
	}
	return StandbysFirst
}

// WithFloor is what a standby may run with: desired, but nothing below floor, which holds
// what its primary ran with as pg_controldata tells it (ControlData.StandbySensitive).
// Neither map is changed.
func WithFloor(desired, floor map[string]int64) map[string]int64 {
	result := make(map[string]int64, len(desired))
	for name, value := range desired {
		result[name] = max(value, floor[name])
	}
	return result
}
