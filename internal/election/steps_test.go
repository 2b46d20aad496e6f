package election

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/postgres"
)

// leading is a leader of three, in term 2 on timeline 2, to which nothing is left to do.
func leading() Member {
	record := Record{
		Holder: "a", HolderIncarnation: "a1", Term: 2, Revision: 7, Timeline: 2, System: "7711", Position: postgres.LSN(90).String(),
		Quorum:  Quorum{Mode: ModeQuorum, Members: map[string]string{"a1": "a", "b1": "b", "c1": "c"}, Required: 2},
		History: []Fork{{Term: 1, Timeline: 1, At: "0/0"}, {Term: 2, Timeline: 2, At: postgres.LSN(50).String()}},
	}
	return Member{
		Self: "a", Incarnation: "a1", Lease: record, Fresh: true, Settled: true, Told: record.Quorum, ToldTerm: 2, Running: RunningAsPrimary,
		ControlTimeline: 2, Timeline: 2, Line: record.History, Replayed: true, Consistent: true, Position: Position{2, 100}, Effective: true, Open: true,
		Flushed: map[string]postgres.LSN{"b1": 100, "c1": 100}, Wanted: record.Quorum,
	}
}

// streaming is a standby of it that streams.
func streaming() Member {
	m := leading()
	m.Self, m.Incarnation, m.Running, m.Attached, m.AttachedTo, m.AttachedTerm, m.Flushed = "b", "b1", RunningAsStandby, true, "a", 2, nil
	return m
}

// handingOver is the leader once it has shut down, and b has said that it has everything.
func handingOver() Member {
	m := leading()
	m.HandOver, m.Running, m.Open, m.ShutDown, m.Holds = "b", NotRunning, false, true, map[string]Position{"b1": {2, 100}}
	return m
}

// namedNext is the member that the Lease was passed to.
func namedNext() Member {
	m := streaming()
	m.Lease.Holder, m.Lease.Handover, m.Lease.Position, m.Attached = "", "b", postgres.LSN(100).String(), false
	return m
}

// crashed is the leader once its machine has come up again; b has told that it has as much.
func crashed() Member {
	m := leading()
	m.Running, m.Open, m.Crashed, m.Ends, m.EndsKnown, m.Reaches = NotRunning, false, true, 100, true, map[string]Position{"b1": {2, 100}}
	return m
}

// disclaimed is it where b has told that it has more, once it has written that down, released the Lease, recovered and promised.
func disclaimed() Member {
	m := crashed()
	m.Lease.Holder, m.Running, m.Promise, m.Disclaimed = "", RunningAsStandby, 7, 2
	return m
}

// expired is a standby that has promised, after the lease of an asynchronous leader.
func expired() Member {
	m := streaming()
	m.Lease.Quorum.Mode, m.Lease.Quorum.Required = ModeAsynchronous, 1
	m.Suspects, m.Attached, m.Promise, m.Expired, m.MaxLag, m.Position = true, false, 7, true, 20, Position{2, 80}
	return m
}

func TestNextStep(t *testing.T) {
	for sentence, tc := range map[string]struct {
		from   func() Member
		change func(*Member)
		verb   Verb
		rule   string
	}{
		"a leader to which nothing is left rests":                        {leading, func(*Member) {}, Rest, "holder_rests"},
		"a leader renews before it changes the quorum":                   {leading, func(m *Member) { m.Renew, m.Wanted.Required = true, 3 }, WriteLease, "leader_renews"},
		"a leader whose position is not known tells no less than before": {leading, func(m *Member) { m.Renew, m.Position.At = true, 0 }, WriteLease, "leader_renews"},
		"a leader renews while a change waits for a member":              {leading, func(m *Member) { m.Renew, m.Effective = true, false }, WriteLease, "leader_renews"},
		"a leader opens while the API is silent": {leading, func(m *Member) { m.Open, m.Settled, m.APISilent = false, false, true },
			OpenDoor, "door_opens_behind_the_barrier"},
		"a leader whose update may land yet loosens nothing": {leading, func(m *Member) {
			m.Settled, m.APISilent, m.Told.Required = false, true, 3
		}, Rest, "holder_rests"},
		"a leader does not leave while the API is silent": {leading, func(m *Member) { m.Leave, m.APISilent = true, true }, Rest, "holder_rests"},
		"a leader that is cut off stops":                  {leading, func(m *Member) { m.CutOff, m.APISilent = true, true }, Stop, "leader_that_is_cut_off_stops"},
		"it does not start again before that":             {leading, func(m *Member) { m.CutOff, m.APISilent, m.Running = true, true, NotRunning }, Rest, "leader_that_is_cut_off_stops"},
		"it goes on where nobody else can lead": {leading, func(m *Member) {
			m.CutOff, m.APISilent = true, true
			m.Lease.Quorum.Members, m.Lease.Quorum.Required = map[string]string{"a1": "a"}, 1
			m.Told, m.Wanted = m.Lease.Quorum, m.Lease.Quorum
		}, Rest, "holder_rests"},
		"one whose volumes are stalled waits for it": {leading, func(m *Member) { m.Leave, m.APISilent, m.Stalled, m.Running = true, true, true, NotRunning },
			Rest, "leader_that_leaves_stops_first"},
		"a leader told in another term tells again": {leading, func(m *Member) { m.ToldTerm = 1 }, Tell, "told_implies_published"},

		"a leader that is to hand over stops":                        {leading, func(m *Member) { m.HandOver = "b" }, StopForHandover, "leader_hands_over_what_is_confirmed"},
		"it does not begin while the API is silent":                  {leading, func(m *Member) { m.HandOver, m.APISilent = "b", true }, Rest, "holder_rests"},
		"what was begun waits while the API is silent":               {handingOver, func(m *Member) { m.APISilent = true }, Rest, "leader_hands_over_what_is_confirmed"},
		"it waits until the named one has everything":                {handingOver, func(m *Member) { m.Holds["b1"] = Position{2, 99} }, Rest, "leader_hands_over_what_is_confirmed"},
		"what another copy of the named instance has does not count": {handingOver, func(m *Member) { m.Holds = map[string]Position{"b2": {2, 100}} }, Rest, "leader_hands_over_what_is_confirmed"},
		"it kills what still runs":                                   {handingOver, func(m *Member) { m.Running = RunningAsPrimary }, Stop, "leader_hands_over_what_is_confirmed"},
		"it promises like a voter":                                   {handingOver, func(*Member) {}, MakePromise, "leader_hands_over_what_is_confirmed"},
		"then it passes the Lease":                                   {handingOver, func(m *Member) { m.Promise = 7 }, WriteLease, "leader_that_promised_needs_a_newer_revision"},
		"what took too long is started again":                        {handingOver, func(m *Member) { m.HandOver = "" }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"but not once it has promised":                               {handingOver, func(m *Member) { m.HandOver, m.Promise = "", 7 }, WriteLease, "leader_that_promised_needs_a_newer_revision"},
		"one that promised reads before it writes":                   {handingOver, func(m *Member) { m.Promise, m.Fresh = 7, false }, ReadLease, "leader_that_promised_needs_a_newer_revision"},
		"one that crashed hands nothing over":                        {handingOver, func(m *Member) { m.ShutDown = false }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"the named member takes the Lease":                           {namedNext, func(*Member) {}, WriteLease, "named_member_takes_what_it_holds"},
		"it detaches before":                                         {namedNext, func(m *Member) { m.Attached = true }, Detach, "named_member_takes_what_it_holds"},
		"it does not where it lacks something":                       {namedNext, func(m *Member) { m.Position.At = 99 }, OpenDoor, ""},
		"another copy of its instance does not":                      {namedNext, func(m *Member) { m.Incarnation = "b2" }, OpenDoor, ""},
		"others leave it the Lease for a while":                      {namedNext, func(m *Member) { m.Self, m.Incarnation = "c", "c1" }, Rest, "nothing_to_do"},
		"others elect where the named one is silent":                 {namedNext, func(m *Member) { m.Self, m.Incarnation, m.Suspects = "c", "c1", true }, MakePromise, "suspicion_reads_detaches_and_promises"},
		"others elect at once where nobody is named":                 {namedNext, func(m *Member) { m.Lease.Handover = "" }, MakePromise, "suspicion_reads_detaches_and_promises"},

		"a leader that crashed finds out where its WAL ends":   {crashed, func(m *Member) { m.EndsKnown = false }, FindEnd, "leader_that_crashed_is_compared"},
		"it asks the members how far they go":                  {crashed, func(m *Member) { m.Listens = true }, Rest, "leader_that_crashed_is_compared"},
		"it starts in place where nobody has more":             {crashed, func(*Member) {}, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"and where its end cannot be found":                    {crashed, func(m *Member) { m.Ends, m.Reaches["b1"] = 0, Position{2, 101} }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"it writes down that a member has more":                {crashed, func(m *Member) { m.Reaches["b1"] = Position{2, 101} }, Disclaim, "leader_that_crashed_is_compared"},
		"then it releases the Lease":                           {crashed, func(m *Member) { m.Disclaimed = 2 }, WriteLease, "leader_that_has_lost_something_releases"},
		"it waits with that while the API is silent":           {crashed, func(m *Member) { m.Disclaimed, m.APISilent = 2, true }, Rest, "leader_that_has_lost_something_releases"},
		"whatever runs is stopped before":                      {leading, func(m *Member) { m.Disclaimed = 2 }, Stop, "leader_that_has_lost_something_releases"},
		"in another term that is over":                         {leading, func(m *Member) { m.Disclaimed = 1 }, Rest, "holder_rests"},
		"what was written in a former term is nothing it lost": {crashed, func(m *Member) { m.Reaches["b1"] = Position{1, 101} }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"what no member has does not count":                    {crashed, func(m *Member) { m.Reaches["b2"] = Position{2, 101} }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"in asynchronous mode nobody asks":                     {crashed, func(m *Member) { m.Lease.Quorum.Mode, m.EndsKnown = ModeAsynchronous, false }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"nor where it was stopped in an orderly way":           {crashed, func(m *Member) { m.Crashed, m.EndsKnown = false, false }, StartPrimary, "holder_promotes_to_the_leases_timeline"},
		"one that has lost something does not take the Lease":  {disclaimed, func(m *Member) { m.Lease.Quorum.Required = 3 }, ReadLease, "voter_stays_detached"},
		"nor does it take it back":                             {disclaimed, func(m *Member) { m.TakeBack = true }, ReadLease, "voter_stays_detached"},
		"a person may have it lead":                            {disclaimed, func(m *Member) { m.Force = true }, WriteLease, "forced_member_leads_alone"},
		"one that released the Lease before it crashed does not take it back from who is ahead": {disclaimed, func(m *Member) {
			m.Disclaimed, m.TakeBack = 0, true
			m.Votes = []Vote{{Instance: "b", Incarnation: "b1", Revision: 7, Position: Position{2, 101}}}
		}, ReadLease, "voter_stays_detached"},
		"one that has not takes it": {disclaimed, func(m *Member) { m.Lease.Quorum.Required, m.Disclaimed = 3, 0 }, WriteLease, "voter_stays_detached"},

		"who follows lets clients in":               {streaming, func(m *Member) { m.Open = false }, OpenDoor, "others_follow"},
		"not while its leader stops in its favour":  {streaming, func(m *Member) { m.Open, m.KeepOut = false, true }, Rest, "nothing_to_do"},
		"what it had begun to open it closes then":  {streaming, func(m *Member) { m.Ajar, m.KeepOut = true, true }, CloseDoor, "others_follow"},
		"what it had begun to close it opens again": {streaming, func(m *Member) { m.Ajar = true }, OpenDoor, "others_follow"},
		"a leader that has begun to open goes on":   {leading, func(m *Member) { m.Ajar = true }, OpenDoor, "door_opens_behind_the_barrier"},
		"who is to promote closes what it had begun to open": {leading, func(m *Member) {
			m.Running, m.Ajar, m.Timeline, m.ControlTimeline = RunningAsStandby, true, 1, 1
		}, CloseDoor, "holder_promotes_to_the_leases_timeline"},
		"it ends sessions then, and streams on":  {streaming, func(m *Member) { m.KeepOut = true }, CloseDoor, "others_follow"},
		"who attached in a former term detaches": {streaming, func(m *Member) { m.AttachedTerm = 1 }, Detach, "gate_leads_to_the_holder_only"},
		"an empty volume is cloned":              {streaming, func(m *Member) { m.Empty, m.Attached, m.Running = true, false, NotRunning }, Clone, "empty_volume_is_cloned"},
		"an empty volume waits for a leader":     {streaming, func(m *Member) { m.Empty, m.Lease.Holder = true, "" }, Rest, "empty_volume_is_cloned"},
		"a rewind that was interrupted is done again": {streaming, func(m *Member) { m.Broken, m.Attached, m.Running = true, false, NotRunning },
			Rewind, "broken_copy_is_mended"},
		"a member that cannot be rewound is not thrown away": {streaming, func(m *Member) { m.Broken, m.Irreparable, m.Attached, m.Running = true, true, false, NotRunning },
			Rest, "broken_copy_is_mended"},
		"who is no member any more is cloned": {streaming, func(m *Member) {
			m.Broken, m.Irreparable, m.Attached, m.Running, m.Incarnation = true, true, false, NotRunning, "b2"
		}, Clone, "broken_copy_is_mended"},
		"a holder with an empty disk leads nothing": {leading, func(m *Member) { m.Incarnation, m.Empty, m.Running = "a2", true, NotRunning },
			Rest, "holder_with_another_copy_leads_nothing"},

		"an asynchronous member takes what expired": {expired, func(*Member) {}, WriteLease, "asynchronous_member_takes_what_expired"},
		"not before":                  {expired, func(m *Member) { m.Expired = false }, ReadLease, "voter_stays_detached"},
		"not where it lacks too much": {expired, func(m *Member) { m.MaxLag = 9 }, ReadLease, "voter_stays_detached"},
		"not where another one is ahead": {expired, func(m *Member) {
			m.Votes = []Vote{{Instance: "c", Incarnation: "c1", Revision: 7, Position: Position{2, 81}}}
		}, ReadLease, "voter_stays_detached"},
		"not where the published mode is another one": {expired, func(m *Member) { m.Lease.Quorum.Mode = ModeQuorum }, ReadLease, "voter_stays_detached"},
		"an asynchronous leader stops when its lease ends": {leading, func(m *Member) { m.Lease.Quorum.Mode, m.Expired = ModeAsynchronous, true },
			Stop, "asynchronous_leader_stops_when_its_lease_ends"},
		"it goes on where nobody else could lead": {leading, func(m *Member) {
			m.Lease.Quorum = Quorum{Mode: ModeAsynchronous, Members: map[string]string{"a1": "a"}, Required: 1}
			m.Told, m.Wanted, m.Expired = m.Lease.Quorum, m.Lease.Quorum, true
		}, Rest, "holder_rests"},

		"who is forced leads alone":                             {streaming, func(m *Member) { m.Force, m.Attached = true, false }, WriteLease, "forced_member_leads_alone"},
		"who is forced detaches":                                {streaming, func(m *Member) { m.Force = true }, Detach, "forced_member_leads_alone"},
		"nobody takes the Lease who does not know its own line": {expired, func(m *Member) { m.Timeline, m.Line = 3, nil }, ReadLease, "voter_stays_detached"},
	} {
		m := tc.from()
		m.Lease, m.Wanted, m.Told = m.Lease.Copy(), m.Wanted.Copy(), m.Told.Copy()
		tc.change(&m)
		got := NextStep(m)
		if tc.rule == "" { // anything but what it names
			if got.Verb == WriteLease {
				t.Errorf("%s: it writes %+v by %s", sentence, got.Record, got.Rule)
			}
			continue
		}
		if got.Verb != tc.verb || got.Rule != tc.rule {
			t.Errorf("%s: %s by %s, not %s by %s", sentence, got.Verb, got.Rule, tc.verb, tc.rule)
		}
	}
}

func TestAnAsynchronousMemberThatLacksTooMuchSaysSo(t *testing.T) {
	m := expired()
	m.Lease = m.Lease.Copy()
	for maxLag, want := range map[int64]string{9: "it lacks 10 bytes of what the primary, a, had", 20: ""} {
		m.MaxLag = maxLag
		if got := NextStep(m).Message; !strings.HasPrefix(got, want) || (want == "") != (got == "") {
			t.Errorf("with %d allowed it says %q", maxLag, got)
		}
	}
	for what, change := range map[string]func(*Member){
		"before the lease is over":           func(m *Member) { m.Expired = false },
		"while there is something to replay": func(m *Member) { m.Replayed = false },
	} {
		early := m
		early.MaxLag = 9
		change(&early)
		if got := NextStep(early).Message; got != "" {
			t.Errorf("%s it says %q", what, got)
		}
	}
}

func TestAVoteTellsWhatWasReceivedAndAForkWhatIsReplayed(t *testing.T) {
	m := streaming()
	m.Suspects, m.Attached, m.Promise, m.Position, m.Received = true, false, 7, Position{2, 100}, 103
	if vote, votes := m.Vote(); !votes || vote.Position != (Position{2, 103}) {
		t.Errorf("it votes with %+v", vote)
	}
	m.Votes = []Vote{{Instance: "c", Incarnation: "c1", Revision: 7, Position: Position{2, 101}}}
	step := NextStep(m)
	if step.Verb != WriteLease || step.Record.History[len(step.Record.History)-1].At != postgres.LSN(100).String() {
		t.Errorf("it is to %s %+v", step.Verb, step.Record.History)
	}
	m.Received = 0
	if step := NextStep(m); step.Verb == WriteLease {
		t.Error("it takes the Lease from one that is ahead")
	}
}

func TestAPassedLeaseNamesOneMemberAndWhatItMustHold(t *testing.T) {
	m := handingOver()
	m.Promise = 7
	passed := NextStep(m).Record
	if passed.Holder != "" || passed.Handover != "b" || passed.Position != m.Position.At.String() || passed.Revision != 8 || passed.Term != 2 {
		t.Errorf("passed on as %+v", passed)
	}
	taken := NextStep(namedNext()).Record
	if taken.Holder != "b" || taken.Handover != "" || taken.Term != 3 || taken.Timeline != 3 {
		t.Errorf("taken as %+v", taken)
	}
}

func TestAForcedLeaderIsTheOnlyMember(t *testing.T) {
	m := streaming()
	m.Force, m.Attached = true, false
	alone := NextStep(m).Record
	if len(alone.Quorum.Members) != 1 || alone.Quorum.Members["b1"] != "b" || alone.Quorum.Required != 1 || alone.Term != 3 || alone.Timeline != 3 {
		t.Errorf("forced as %+v", alone)
	}
}

// A promotion that was begun took the number; what the Lease says of the fork must be true before anybody can follow.
func TestAHolderEndsRecoveryUnderAFreeNumberAndWithATrueFork(t *testing.T) {
	won := func(change func(*Member)) Step {
		m := leading()
		m.Running, m.Open, m.Timeline, m.ControlTimeline, m.Position, m.Line = RunningAsStandby, false, 1, 1, Position{1, 50}, m.Lease.History[:1]
		change(&m)
		return NextStep(m)
	}
	if step := won(func(*Member) {}); step.Verb != EndRecovery {
		t.Errorf("all is right, and still it is to %s by %s", step.Verb, step.Rule)
	}
	for name, change := range map[string]func(*Member){
		"its history file is there":   func(m *Member) { m.TimelineTaken = true },
		"its end of recovery is, too": func(m *Member) { m.Timeline, m.Line = 2, m.Lease.History },
	} {
		step := won(change)
		if step.Verb != WriteLease || step.Record.Term != 3 || step.Record.Timeline != 3 || step.Record.Holder != "a" || step.Record.Revision != 8 {
			t.Errorf("%s, and it is to %s %+v", name, step.Verb, step.Record)
		}
	}
	step := won(func(m *Member) { m.Position.At = 48 })
	last := step.Record.History[len(step.Record.History)-1]
	if step.Verb != WriteLease || step.Record.Term != 2 || step.Record.Timeline != 2 || last.At != postgres.LSN(48).String() || len(step.Record.History) != 2 {
		t.Errorf("the fork is corrected by %s %+v", step.Verb, step.Record)
	}
}

func TestAVoterSaysWhyItDoesNotLeadOnceThatLasts(t *testing.T) {
	voting := func() Member {
		m := streaming()
		m.Attached, m.Suspects, m.Promise, m.Overdue = false, true, 7, true
		return m
	}
	for name, tc := range map[string]struct {
		change func(*Member)
		says   string
	}{
		"votes are missing": {func(*Member) {}, "it votes, and cannot lead yet: 1 of 2 votes are there, and none of a, c"},
		"another is ahead": {func(m *Member) {
			m.Votes = []Vote{{Instance: "c", Incarnation: "c1", Revision: 7, Position: Position{2, 101}}}
		},
			"it votes, and cannot lead yet: c is at 0/65 of term 2, ahead of 0/64 of term 2"},
		"it still replays":          {func(m *Member) { m.Replayed = false }, "there is an election, and it cannot vote before it has replayed all that it has"},
		"it does not know its line": {func(m *Member) { m.Timeline, m.Line = 3, nil }, "it votes, and cannot lead: it has followed a leader of whose term it never read"},
		"not in a usual election":   {func(m *Member) { m.Overdue = false }, ""},
		"not where a lease decides": {func(m *Member) { m.Lease.Quorum.Mode = ModeAsynchronous }, ""},
	} {
		m := voting()
		tc.change(&m)
		if got := NextStep(m); got.Rule != "voter_stays_detached" || got.Message != tc.says {
			t.Errorf("%s: %s says %q, want %q", name, got.Rule, got.Message, tc.says)
		}
	}
}
