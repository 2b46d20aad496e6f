package election

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Rules for a Lease that cannot be read, and for who leads or follows where somebody holds it.

// unreadableLeaseChangesNothing but what a member can do by what it read last: it is as safe as a read that is late.
func unreadableLeaseChangesNothing(o Observation, record Record) *Step {
	switch {
	case o.Lease.Readable || o.belongs(record):
		return nil
	case o.Running != NotRunning:
		return &Step{Verb: Rest, Message: "the Kubernetes API does not answer; going on as before"}
	}
	return wait(instanceapi.WaitLease, "the Kubernetes API does not answer, so nobody can tell who leads; waiting for it")
}

// absentLeaseIsTheOperators: instances never create the Lease. Where commits wait for others, who belongs to it goes on by what was read
// last, as where the API is silent: they tell whether somebody else was elected. Its leader writes it once it is there again.
func absentLeaseIsTheOperators(o Observation, record Record) *Step {
	proved := o.belongs(record) && record.Quorum.Mode == ModeQuorum && record.Quorum.Required > 1
	switch {
	case o.Lease.Exists || !o.Lease.Readable || proved:
		return nil
	case o.Running != NotRunning:
		return &Step{Verb: Rest, Message: "the Lease does not exist; going on until the operator has made it again"}
	}
	return wait(instanceapi.WaitLease, "the Lease does not exist; waiting for the operator to make it")
}

// leaderWritesItsRecordAgain: a Lease that was deleted and made empty, was edited, or went back to an older
// revision says nothing against a leader that runs. Revision, term and timeline grow, since numbers may have been used that this leader
// never saw. The data stays on its timeline: the new number is reserved for the promotion that the
// leader makes up for when it next starts (holder_starts_only_on_the_leases_timeline), so it is never used twice.
// A leader that was cut off must not: somebody else may have been elected, and the Lease lost since.
func leaderWritesItsRecordAgain(o Observation, _ Record) *Step {
	if o.Running != RunningAsPrimary || o.Led == nil || !o.Lease.Exists {
		return nil
	}
	read := o.Lease.Record
	if !o.Lease.Edited && read.Revision >= o.Led.Revision && read.Holder != "" {
		return nil
	}
	if name, term := o.replaced(); name != "" {
		return &Step{Verb: Stop, Message: fmt.Sprintf("the Lease is lost, and %s knows of term %d: somebody else was elected since term %d, in which this primary led", name, term, o.Led.Term)}
	}
	if silent := o.mayHaveElected(); len(silent) > 0 {
		return &Step{Verb: Rest, Message: "the Lease was emptied, edited or went back; the leader writes its own record again once it is known that nobody else was elected, for which it has to hear of " +
			strings.Join(silent, ", ")}
	}
	record := o.Led.Copy()
	record.Revision = max(record.Revision, o.Own.Revision, read.Revision) + RevisionMargin
	record.Term = max(record.Term, read.Term, o.Own.HighestTerm) + 1
	record.Timeline = max(record.Timeline, read.Timeline, o.Own.HighestTimeline) + 1
	return &Step{Verb: WriteLease, Record: record, Message: "the Lease was emptied, edited or went back; the leader writes its own record again"}
}

// mayHaveElected are the members by whom another leader may have been elected, since they have not said otherwise after the Lease was read as it is; nil where
// nobody else was. Nobody is elected later, over a Lease that is lost. Who replaced this leader did so over the last revision of its term, and is a member.
func (o Observation) mayHaveElected() (names []string) {
	var voters, leaders []string
	for _, incarnation := range slices.Sorted(maps.Keys(o.Led.Quorum.Members)) {
		name := o.Led.Quorum.Members[incarnation]
		peer := o.Peers[name]
		loyal := o.follows(name) && peer.Volume.Incarnation == incarnation
		// And has read a newer revision of this term than any that it voted for.
		abstained := loyal && peer.Volume.PromiseKnown && peer.Volume.Promise < peer.Volume.Revision
		if incarnation == o.Own.Incarnation {
			loyal = o.Own.Promise < o.Led.Revision
			abstained = loyal
		}
		if !loyal {
			leaders = append(leaders, name)
		}
		if !abstained {
			voters = append(voters, name)
		}
	}
	for _, name := range o.Instances {
		if o.LedUnsettled && name != o.Self && !o.follows(name) {
			leaders = append(leaders, name) // it may have become a member by what is not known
		}
	}
	if len(leaders) == 0 || len(voters) < o.votersNeeded() {
		return nil
	}
	return voters
}

// follows tells that another instance does not lead, nor has ever heard of a later term than that of this leader: whoever opens has written down its own.
func (o Observation) follows(name string) bool {
	peer, heard := o.Peers[name]
	return heard && peer.Since && !peer.Leads && peer.Volume.HighestTerm <= o.Led.Term
}

// replaced tells who knows of a later term than that in which this leader leads, "" for nobody.
func (o Observation) replaced() (name string, term int64) {
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		if peer := o.Peers[name]; peer.Since && peer.Volume.System == o.Own.System && peer.Volume.HighestTerm > o.Led.Term {
			return name, peer.Volume.HighestTerm
		}
	}
	return "", 0
}

// votersNeeded is how many members elect another leader than this one: as many as the published quorum says, or one where the lease's clock decides, or where
// another quorum may be published.
func (o Observation) votersNeeded() int {
	quorum := o.Led.Quorum
	switch {
	case quorum.Mode == ModeAsynchronous && !o.LedExpired:
		return len(quorum.Members) + 1
	case quorum.Mode == ModeAsynchronous, o.LedUnsettled:
		return 1
	}
	return quorum.votesNeeded()
}

func onePrimaryAtATime(o Observation, record Record) *Step {
	if o.Running != RunningAsPrimary || record.Holder == "" {
		return nil
	}
	if record.Holder == o.Self && record.HolderIncarnation == o.Own.Incarnation {
		return nil
	}
	return &Step{Verb: Stop, Message: fmt.Sprintf("%s holds the Lease in term %d; this primary stops at once", record.Holder, record.Term)}
}

func foreignSystemIsNotTouched(o Observation, record Record) *Step {
	if !record.HasSystem() || o.Own.System == "" || o.Own.System == record.System {
		return nil
	}
	return wait(instanceapi.WaitForeignSystem, fmt.Sprintf(
		"the volume of %s holds PostgreSQL system %s, but the cluster is system %s; nothing is touched. Attach the right volume, or delete this one if its data is not needed",
		o.Self, o.Own.System, record.System))
}

// holderWithoutItsDataLeadsNothing: the holder's volume is empty, incomplete or another copy. Nobody else may have its last
// commits, so neither initdb nor a clone is allowed; only a person knows whether the volume can be had back.
func holderWithoutItsDataLeadsNothing(o Observation, record Record) *Step {
	if !record.HasSystem() || record.Holder != o.Self {
		return nil
	}
	if o.Own.Initialised && o.Own.Incarnation == record.HolderIncarnation {
		return nil
	}
	ours := o.Own.Incarnation == "" || o.Own.Incarnation == record.HolderIncarnation
	if !o.Own.Initialised && !o.UnfinishedClone && o.Unfinished == record.System && ours {
		return &Step{Verb: Finish, Message: "initdb was finished and the Lease names its system; putting the data directory into its place"}
	}
	return wait(instanceapi.WaitDataMissing, fmt.Sprintf(
		"%s holds the Lease of PostgreSQL system %s, but its volume does not hold that data. It is neither created anew nor cloned. Bring the volume back, or copy the data out of a standby or a backup into a new cluster",
		o.Self, record.System))
}

// laterDataIsKept: this copy was led in a term that the Lease does not know of, so the Lease is from an earlier time (etcd was restored).
// The holder may lack what was acknowledged since; only a person can tell which of the two is to be kept.
func laterDataIsKept(o Observation, record Record) *Step {
	if !record.HasSystem() || record.Holder == "" || record.Holder == o.Self || !o.Own.Initialised {
		return nil
	}
	if o.Own.Timeline <= record.Timeline && o.Own.HighestTerm <= record.Term {
		return nil
	}
	return orKeep(o, wait(instanceapi.WaitLaterData, fmt.Sprintf(
		"the volume of %s has seen term %d and timeline %d, later than the Lease's term %d and timeline %d that %s leads with: the Lease is from an earlier time. Nothing is followed, cloned or deleted. Compare the data of both; delete the volume of %s if it is not needed",
		o.Self, o.Own.HighestTerm, o.Own.Timeline, record.Term, record.Timeline, record.Holder, o.Self)))
}

// emptyVolumeIsClonedInto: as another incarnation, that is no member before it has caught up.
func emptyVolumeIsClonedInto(o Observation, record Record) *Step {
	switch {
	case o.Own.Initialised || !record.HasSystem() || record.HolderIncarnation == "":
		return nil
	case o.UnfinishedClone && o.Unfinished == record.System:
		return &Step{Verb: Finish, Message: "the clone is complete; putting it into its place"}
	case record.Holder == "":
		return wait(instanceapi.WaitLeader, "the volume is empty, and nobody leads; waiting for a leader to clone from")
	}
	return &Step{Verb: Clone, Message: "the volume is empty; cloning from " + record.Holder}
}

// memberTakesItsNextStep where the Lease is in order and this volume has the system's data.
func memberTakesItsNextStep(o Observation, record Record) *Step {
	if !o.belongs(record) {
		return nil
	}
	member := o.Member
	member.Lease = record
	step := NextStep(member)
	return &step
}

// belongs tells that this volume's data is of the system of a Lease that somebody leads by, or led by last.
func (o Observation) belongs(record Record) bool {
	return record.HasSystem() && record.HolderIncarnation != "" && o.Own.Initialised && o.Own.System == record.System
}

// Diverged tells whether data that reaches position on a timeline is off the leader's history: beyond the fork of the next one, or on
// a timeline that the history leaves out, which a leader began that nobody followed. Where the history does not reach back
// far enough to tell, it is not: PostgreSQL refuses to stream to such a copy.
func Diverged(record Record, timeline int64, position postgres.LSN) bool {
	switch {
	case timeline > record.Timeline:
		return true
	case timeline == record.Timeline:
		return false // nobody but this leader ever wrote it, whether or not the history tells already where it forked
	}
	var next *Fork
	reachesBack, known := false, false
	for i, fork := range record.History {
		reachesBack, known = reachesBack || fork.Timeline < timeline, known || fork.Timeline == timeline
		if fork.Timeline > timeline && (next == nil || fork.Timeline < next.Timeline) {
			next = &record.History[i]
		}
	}
	if reachesBack && !known {
		return true
	}
	if next == nil {
		return false
	}
	at, err := postgres.ParseLSN(next.At)
	return err == nil && position > at
}
