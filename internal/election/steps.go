package election

import (
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

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
	// Term of the Lease that the step was decided by. Part of a standby's application_name: told is who follows in this term, and who attaches says in
	// which term it has found itself not diverged. One that was cut off may still connect by what it read long ago.
	Term int64
	// WaitReason with Wait.
	WaitReason instanceapi.WaitReason
	// Message for people; may be empty.
	Message string
}

// Verb of a step.
type Verb string

// Verbs.
const (
	// Rest until something changes; what runs goes on.
	Rest Verb = "Rest"
	// Wait: nothing is started; WaitReason and Message tell for what. What runs goes on.
	Wait Verb = "Wait"
	// Initialise a new system, under the mark.
	Initialise Verb = "Initialise"
	// Clone the leader's data, as another incarnation.
	Clone Verb = "Clone"
	// Finish puts a data directory that is complete into its place.
	Finish Verb = "Finish"
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
	// StopForHandover is a CHECKPOINT and a fast stop: clients are ended, and standbys are sent the shutdown checkpoint. What then still
	// runs, as an archiver that hangs, is not waited for.
	StopForHandover Verb = "StopForHandover"
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
	// FindEnd of the WAL on disk, where no server runs. Disclaim writes down that it has lost something of the Lease's term, so that it neither leads nor votes
	// before another term.
	FindEnd  Verb = "FindEnd"
	Disclaim Verb = "Disclaim"
	// Rewind one's own data to where it forked from the holder's; its incarnation stays. Where one was interrupted, it is done again.
	Rewind Verb = "Rewind"
)

// Member is all that a member's next step is decided from.
type Member struct {
	Self, Incarnation string
	// Lease as it was read last. Fresh: since the present suspicion, from the API server itself.
	Lease Record
	Fresh bool
	// APISilent: the API server did not answer, and it is not yet time to try again. A holder goes on with what needs no API.
	APISilent bool
	// Settled: the fate of all that this member ever sent is known, since a newer revision was read than any that it was sent over. Until
	// then more may be published than was read, by its own hand: what was told before holds.
	Settled bool
	// Promise that is on disk: the revision up to which nobody is followed.
	Promise int64
	// Told to PostgreSQL, as it is on disk, and the term that it was told in.
	Told     Quorum
	ToldTerm int64

	Running Running
	// Empty: there is no data, or not yet all of it. Broken: a rewind was interrupted. Irreparable: it cannot be rewound, or that did not help.
	Empty, Broken, Irreparable bool
	// ShutDown: pg_control says that it was shut down in an orderly way, whatever of it still runs, and Position is the end of that.
	ShutDown bool
	// Crashed: it led last, and its server did not end in an orderly way but with the machine or the container, and none has led here since. Where a disk lied,
	// what it had flushed is lost. Ends is where its WAL ends now, before anything is written after that; EndsKnown: or that cannot be found out.
	Crashed, EndsKnown bool
	Ends               postgres.LSN
	// Disclaimed is the term, on disk, of which this copy was seen to have lost something; 0 for none.
	Disclaimed int64
	// Attached: a walreceiver runs, or could connect, to whom, and in which term that was decided.
	Attached     bool
	AttachedTo   string
	AttachedTerm int64
	// Overdue: there has been nobody to follow for so long that a person should hear why nobody is elected.
	Overdue bool
	// Open: clients are admitted, or may be, or some are still in. Ajar: it was begun to let them in, or to end them, and that is not through.
	Open, Ajar bool
	// KeepOut: whatever it follows, no client is to be in for now: the leader stops in this member's favour, or it led before, and those who look for the leader
	// are still led here.
	KeepOut bool
	// ControlTimeline is in pg_control; Timeline is that of the last record.
	ControlTimeline, Timeline int64
	// TimelineTaken: a promotion to the Lease's timeline was begun on this copy, since its real history file is there, and pg_control is not on it.
	// PostgreSQL would take the next number.
	TimelineTaken bool
	// Line that this copy is on, by Lineage: the timeline of its last record and all before. The Lease's history may have dropped some of them.
	Line []Fork
	// Replayed all there is: Position is where recovery ends. That of a primary is where its WAL ends.
	Replayed bool
	// Consistent: recovery has come far enough.
	Consistent bool
	Position   Position
	// Received is how far this run's walreceiver came, the last record perhaps in part; 0 where none ran.
	Received postgres.LSN
	// Effective: what was told is so in every process. ToldAt is the end of the WAL of the moment when that was seen.
	Effective bool
	ToldAt    postgres.LSN
	// OpensAt is the end of the record that ended recovery: the barrier.
	OpensAt postgres.LSN
	// Flushed by walsenders that started since what was told is effective, of those that attached in this term, by incarnation; not one's own.
	Flushed map[string]postgres.LSN

	// Suspects that the leader is gone.
	Suspects bool
	// Votes of others that were heard.
	Votes []Vote
	// Reaches is how far the copies of others go, by incarnation, as a leader that crashed was told since. Listens: it may not have been told by all yet that
	// it can hear.
	Reaches map[string]Position
	Listens bool
	// Wanted quorum, of those that stream now.
	Wanted Quorum
	// CutOff: for a lease duration the API server has not answered, nor are enough members heard.
	CutOff bool
	// Stalled: its volumes take no writes, so that no server can be started on them.
	Stalled bool
	// Leave: release the Lease. Renew: it is time to. TakeBack: nobody else has taken a Lease that this member released.
	Leave, Renew, TakeBack bool
	// HandOver to this instance; "" where that is not asked for, or took too long. Holds is what members said that they have flushed, by
	// incarnation.
	HandOver string
	Holds    map[string]Position
	// Expired: by this member's own clock a lease duration has passed, for the holder since it sent what last renewed it, for others since they
	// first read this revision. It counts in asynchronous mode alone, as does MaxLag, in bytes.
	Expired bool
	MaxLag  int64
	// Force: a human accepts that what this copy lacks is lost. Nobody reaches a leader, and there are not enough votes.
	Force bool
}

// Vote of this member, if it may cast one.
func (m Member) Vote() (Vote, bool) {
	voter := m.Running == RunningAsStandby && !m.Attached && m.Replayed && m.Consistent && m.Promise > 0 && !m.Disclaims()
	// What was received may have been confirmed, whatever is replayed of it: to say too little loses it, to say too much keeps others waiting.
	holds := Position{Term: m.Position.Term, At: max(m.Position.At, m.Received)}
	return Vote{Instance: m.Self, Incarnation: m.Incarnation, Revision: m.Promise, Position: holds}, voter
}

// NextStep of a member of a cluster whose commits wait for a quorum.
func NextStep(m Member) Step {
	for _, rule := range memberRules {
		if step := rule.decide(m); step != nil {
			step.Rule, step.Term = rule.name, m.Lease.Term
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
var memberRules = []memberRule{
	{"holder_with_another_copy_leads_nothing", holderWithAnotherCopyLeadsNothing},
	{"leader_that_promised_needs_a_newer_revision", leaderThatPromisedNeedsANewerRevision},
	{"leader_hands_over_what_is_confirmed", leaderHandsOverWhatIsConfirmed},
	{"leader_that_leaves_stops_first", leaderThatLeavesStopsFirst},
	{"asynchronous_leader_stops_when_its_lease_ends", asynchronousLeaderStopsWhenItsLeaseEnds},
	{"leader_that_is_cut_off_stops", leaderThatIsCutOffStops},
	{"leader_renews", leaderRenews},
	{"leader_that_crashed_is_compared", leaderThatCrashedIsCompared},
	{"leader_that_has_lost_something_releases", leaderThatHasLostSomethingReleases},
	{"holder_promotes_to_the_leases_timeline", holderPromotesToTheLeasesTimeline},
	{"told_implies_published", toldImpliesPublished},
	{"door_opens_behind_the_barrier", doorOpensBehindTheBarrier},
	{"promotion_is_checkpointed", promotionIsCheckpointed},
	{"quorum_changes_step_by_step", quorumChangesStepByStep},
	{"holder_rests", holderRests},

	{"one_primary_at_a_time", otherPrimaryStops},
	{"empty_volume_is_cloned", emptyVolumeIsCloned},
	{"broken_copy_is_mended", brokenCopyIsMended},
	{"server_runs", serverRuns},
	{"last_holder_may_take_it_back", lastHolderMayTakeItBack},
	{"named_member_takes_what_it_holds", namedMemberTakesWhatItHolds},
	{"forced_member_leads_alone", forcedMemberLeadsAlone},
	{"asynchronous_member_takes_what_expired", asynchronousMemberTakesWhatExpired},
	{"voter_stays_detached", voterStaysDetached},
	{"suspicion_reads_detaches_and_promises", suspicionReadsDetachesAndPromises},
	{"gate_leads_to_the_holder_only", gateLeadsToTheHolderOnly},
	{"diverged_copy_is_mended", divergedCopyIsMended},
	{"others_follow", othersFollow},
}

func (m Member) holds() bool { return m.Lease.Holder == m.Self }

func (m Member) leads() bool { return m.holds() && m.Lease.HolderIncarnation == m.Incarnation }
