package election

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
)

// Rules for a Lease that nobody holds: marked for bootstrap, or without a leader over volumes that were kept.

// RevisionMargin is how far a volume's durable revision may lag behind what it has seen: renewals are not written to disk
// one by one. A record that is written anew lies above everything seen by this much.
const RevisionMargin = 32

func onlyMarkedInstanceCreatesASystem(o Observation, record Record) *Step {
	marked, ok := record.Bootstraps()
	switch {
	case !ok:
		return nil
	case marked != o.Self:
		return wait(instanceapi.WaitLeader, "waiting for "+marked+" to create the PostgreSQL system")
	}
	// counting() has dropped the mark where any data is known.
	return &Step{Verb: Initialise, Message: "the Lease lets this instance create the PostgreSQL system"}
}

func livingLeaderWritesItsOwnRecord(o Observation, _ Record) *Step {
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		if o.Peers[name].Leads && name != o.Self {
			return orKeep(o, wait(instanceapi.WaitLeader, name+" leads without a Lease and writes it again; waiting for that"))
		}
	}
	return nil
}

// allVolumesMustReport: whoever has not been heard may hold later data. Needed are the instances of the configuration and the members that
// any volume's last record names. An instance that no record names and that says it was never initialised has nothing to lose:
// it is new. Any other empty volume counts as missing.
func allVolumesMustReport(o Observation, _ Record) *Step {
	if o.Instances == nil {
		return orKeep(o, wait(instanceapi.WaitConfiguration, "nobody leads; waiting for the operator to tell which instances there are"))
	}
	var silent, empty []string
	volumes, members := o.volumes(), o.members()
	for _, name := range o.needed() {
		volume, answered := volumes[name]
		switch {
		case !answered:
			silent = append(silent, name)
		case !volume.Initialised && (volume.EverInitialised || members[name]):
			empty = append(empty, name)
		}
	}
	switch {
	case len(silent) > 0:
		return orKeep(o, wait(instanceapi.WaitVolumes, fmt.Sprintf(
			"nobody leads, and every volume must report before the most advanced instance may; not heard yet: %s. Start these instances, with their volumes",
			strings.Join(silent, ", "))))
	case len(empty) > 0:
		return orKeep(o, wait(instanceapi.WaitVolumes, fmt.Sprintf(
			"nobody leads, and every volume must report before the most advanced instance may; without their data: %s. Bring their volumes back, or copy the data out of another instance or a backup into a new cluster",
			strings.Join(empty, ", "))))
	}
	return nil
}

func systemThatExistsNowhereNeedsTheMark(o Observation, _ Record) *Step {
	for _, volume := range o.volumes() {
		if volume.EverInitialised {
			return nil
		}
	}
	return wait(instanceapi.WaitVolumes, "no volume was ever initialised; waiting for the operator to set the bootstrap mark again")
}

func oneSystemOnly(o Observation, record Record) *Step {
	systems := map[string]bool{}
	if record.HasSystem() {
		systems[record.System] = true
	}
	for _, volume := range o.volumes() {
		if volume.System != "" {
			systems[volume.System] = true
		}
	}
	if len(systems) <= 1 {
		return nil
	}
	return orKeep(o, wait(instanceapi.WaitForeignSystem, fmt.Sprintf(
		"the volumes hold different PostgreSQL systems (%s); nothing is touched. Detach those that do not belong to this cluster",
		strings.Join(slices.Sorted(maps.Keys(systems)), ", "))))
}

func emptyVolumeNeverLeads(o Observation, _ Record) *Step {
	if o.Own.Initialised {
		return nil
	}
	return wait(instanceapi.WaitLeader, "the volume is empty; waiting for a leader to clone from")
}

func positionMustBeKnown(o Observation, _ Record) *Step {
	switch {
	case !o.Own.PositionKnown:
		return o.measure()
	case o.Own.Promise < o.Own.Revision:
		// What is reported is a vote: whoever led by an earlier record, and is started again without having read of this, leads nothing.
		return &Step{Verb: MakePromise, Revision: o.Own.Revision, Message: "nobody leads; what this volume reports is a vote"}
	}
	var unknown []string
	for name, volume := range o.volumes() {
		promised := !volume.PromiseKnown || volume.Promise >= volume.Revision
		if volume.Initialised && (!volume.PositionKnown || !promised) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return orKeep(o, wait(instanceapi.WaitVolumes, "nobody leads; still finding out how far the data reaches on "+strings.Join(unknown, ", ")))
}

// measure how far this copy reaches: as a standby that nobody sends anything, to the end of its WAL.
func (o Observation) measure() *Step {
	const message = "nobody leads; finding out how far this volume's data reaches"
	switch {
	case o.Running == NotRunning:
		return &Step{Verb: StartStandby, Message: message}
	case o.Running == RunningAsPrimary:
		return &Step{Verb: Stop, Message: message}
	case o.Member.Attached:
		return &Step{Verb: Detach, Message: message}
	}
	return &Step{Verb: Rest, Message: message}
}

// mostAdvancedLeads: compared by term and position, never by timeline number or position alone; among equals the lowest ordinal.
func mostAdvancedLeads(o Observation, record Record) *Step {
	best := o.mostAdvanced()
	if best != o.Self {
		return orKeep(o, wait(instanceapi.WaitLeader, best+" is the most advanced and is about to lead"))
	}
	next := Record{
		Holder: o.Self, HolderIncarnation: o.Own.Incarnation, System: o.Own.System,
		Term: record.Term, Revision: max(record.Revision, o.Lease.Record.Revision), Timeline: record.Timeline,
		Quorum:  Quorum{Mode: ModeQuorum, Members: map[string]string{o.Own.Incarnation: o.Self}, Required: 1},
		History: slices.Clone(record.History),
	}
	for _, volume := range o.volumes() {
		next.Term = max(next.Term, volume.HighestTerm, volume.Term)
		next.Revision = max(next.Revision, volume.Revision)
		next.Timeline = max(next.Timeline, volume.HighestTimeline, volume.Timeline)
	}
	next.Term++
	next.Timeline++
	next.Revision += RevisionMargin
	if line := o.Member.line(); len(line) > 0 { // others are told by it from the beginning whether they have diverged
		next.History = line
		next.History = append(next.History, Fork{Term: next.Term, Timeline: next.Timeline, At: o.Own.Position.String()})
	}
	return &Step{Verb: WriteLease, Record: next, Message: fmt.Sprintf("all volumes have reported; %s is the most advanced, at %s", o.Self, o.Own.Position)}
}

func (o Observation) mostAdvanced() string {
	volumes := o.volumes()
	names := slices.SortedFunc(maps.Keys(volumes), func(a, b string) int {
		ordinalA, _ := naming.Ordinal(o.Cluster, a)
		ordinalB, _ := naming.Ordinal(o.Cluster, b)
		return cmp.Or(
			volumes[b].reaches().Compare(volumes[a].reaches()),
			cmp.Compare(ordinalA, ordinalB), cmp.Compare(a, b),
		)
	})
	for _, name := range names {
		if volumes[name].Initialised {
			return name
		}
	}
	return ""
}

// needed are the instances that must be heard, sorted.
func (o Observation) needed() []string {
	names := o.members()
	for _, name := range o.Instances {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// members are those that any volume's last record names.
func (o Observation) members() map[string]bool {
	members := map[string]bool{}
	for _, volume := range o.volumes() {
		for _, name := range volume.Members {
			members[name] = true
		}
	}
	return members
}

// volumes are all that reported, this instance's included.
func (o Observation) volumes() map[string]Volume {
	volumes := map[string]Volume{o.Self: o.Own}
	for name, peer := range o.Peers {
		if name != o.Self {
			volumes[name] = peer.Volume
		}
	}
	return volumes
}

// orKeep lets a standby that runs go on, detached or not: it serves reads and its position stays known.
func orKeep(o Observation, step *Step) *Step {
	if o.Running == RunningAsStandby {
		step.Verb = Rest
	}
	return step
}
