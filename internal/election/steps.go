package election

import "github.com/timonier-io/timonier/internal/postgres"

// Step is the one primitive thing that a member does next. Its order is the protocol: nothing here relies on two steps
// being done together.
type Step struct {
	Verb Verb
	// Rule that decided.
	Rule string
	// Record to write, with WriteLease, over the version that was read last.
	Record Record
	// Quorum to tell PostgreSQL, with Tell.
	Quorum Quorum
	// Revision to promise, with MakePromise.
	Revision int64
}

// Verb of a step.
type Verb string

// Verbs.
const (
	// Rest until something changes.
	Rest Verb = "Rest"
	// ReadLease now, from the API server itself.
	ReadLease Verb = "ReadLease"
	// WriteLease over what was read.
	WriteLease Verb = "WriteLease"
	// Detach closes the gate: no walreceiver runs, and none can connect.
	Detach Verb = "Detach"
	// Attach opens the gate towards the holder.
	Attach Verb = "Attach"
	// MakePromise writes down that no revision up to this one is followed.
	MakePromise Verb = "MakePromise"
	// StartStandby without a walreceiver, StartPrimary without clients.
	StartStandby Verb = "StartStandby"
	StartPrimary Verb = "StartPrimary"
	// Stop at once, whoever waits.
	Stop Verb = "Stop"
	// CloseDoor keeps clients out, and ends those that are in. OpenDoor lets them in.
	CloseDoor Verb = "CloseDoor"
	OpenDoor  Verb = "OpenDoor"
	// EndRecovery on the Lease's timeline.
	EndRecovery Verb = "EndRecovery"
	// Checkpoint, which puts pg_control onto the timeline.
	Checkpoint Verb = "Checkpoint"
	// Tell PostgreSQL whom to wait for: written down first, then configured.
	Tell Verb = "Tell"
	// MakeEffective sees that no process is left that would release a commit by what it was told before.
	MakeEffective Verb = "MakeEffective"
	// Rewind one's own data to where it forked from the holder's; its incarnation stays.
	Rewind Verb = "Rewind"
)

// Member is all that a member's next step is decided from.
type Member struct {
	Self, Incarnation string
	// Lease as it was read last. Fresh: since the present suspicion, from the API server itself.
	Lease Record
	Fresh bool
	// Settled: the fate of all that this member ever sent is known, since a newer revision was read than any that it was sent over. Until
	// then more may be published than was read, by its own hand: what was told before holds.
	Settled bool
	// Promise that is on disk: the revision up to which nobody is followed.
	Promise int64
	// Told to PostgreSQL, as it is on disk.
	Told Quorum

	Running Running
	// Attached: a walreceiver runs, or could connect, and to whom.
	Attached   bool
	AttachedTo string
	// Open: clients are admitted, or some are still in.
	Open bool
	// ControlTimeline is in pg_control; Timeline is that of the last record.
	ControlTimeline, Timeline int64
	// Replayed all there is: Position is where recovery ends.
	Replayed bool
	// Consistent: recovery has come far enough.
	Consistent bool
	Position   Position
	// Effective: what was told is so in every process. ToldAt is the end of the WAL of the moment when that was seen.
	Effective bool
	ToldAt    postgres.LSN
	// OpensAt is the end of the record that ended recovery: the barrier.
	OpensAt postgres.LSN
	// Flushed by walsenders that started since what was told is effective, by incarnation; not one's own.
	Flushed map[string]postgres.LSN

	// Suspects that the leader is gone.
	Suspects bool
	// Votes of others that were heard.
	Votes []Vote
	// Wanted quorum, of those that stream now.
	Wanted Quorum
	// Leave: release the Lease. Renew: it is time to. TakeBack: nobody else has taken a Lease that this member released.
	Leave, Renew, TakeBack bool
}

// Vote of this member, if it may cast one.
func (m Member) Vote() (Vote, bool) {
	voter := m.Running == RunningAsStandby && !m.Attached && m.Replayed && m.Consistent && m.Promise > 0
	return Vote{Instance: m.Self, Incarnation: m.Incarnation, Revision: m.Promise, Position: m.Position}, voter
}

// NextStep of a member of a cluster whose commits wait for a quorum.
func NextStep(m Member) Step {
	for _, rule := range memberRules() {
		if step := rule.decide(m); step != nil {
			step.Rule = rule.name
			return *step
		}
	}
	return Step{Verb: Rest, Rule: "nothing_to_do"}
}

type memberRule struct {
	name   string
	decide func(Member) *Step
}

// memberRules in the order in which they are asked: first those of the holder, then those of everybody else.
func memberRules() []memberRule {
	return []memberRule{
		{"holder_with_another_copy_leads_nothing", holderWithAnotherCopyLeadsNothing},
		{"leader_that_leaves_stops_first", leaderThatLeavesStopsFirst},
		{"leader_renews", leaderRenews},
		{"holder_promotes_to_the_leases_timeline", holderPromotesToTheLeasesTimeline},
		{"told_implies_published", toldImpliesPublished},
		{"door_opens_behind_the_barrier", doorOpensBehindTheBarrier},
		{"quorum_changes_step_by_step", quorumChangesStepByStep},
		{"holder_rests", holderRests},

		{"one_primary_at_a_time", otherPrimaryStops},
		{"server_runs", serverRuns},
		{"last_holder_may_take_it_back", lastHolderMayTakeItBack},
		{"voter_stays_detached", voterStaysDetached},
		{"suspicion_reads_detaches_and_promises", suspicionReadsDetachesAndPromises},
		{"gate_leads_to_the_holder_only", gateLeadsToTheHolderOnly},
		{"diverged_copy_is_mended", divergedCopyIsMended},
		{"others_follow", othersFollow},
	}
}

func (m Member) holds() bool { return m.Lease.Holder == m.Self }

func (m Member) leads() bool { return m.holds() && m.Lease.HolderIncarnation == m.Incarnation }
