package election

import (
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// At the start of every case: shop-1 has data, holds the Lease and does not run; shop-2 is its standby.
func held() Observation {
	return Observation{
		Cluster: "shop", Self: "shop-1", Instances: []string{"shop-1", "shop-2"},
		Lease: Lease{Readable: true, Exists: true, Record: published.Copy()},
		Own:   volume("a1", 3, 4, "0/6000000"),
		Peers: map[string]Peer{"shop-2": {Volume: volume("b1", 3, 4, "0/6000000")}},
	}
}

// orphaned: the same without anybody in the Lease.
func orphaned() Observation {
	o := held()
	o.Lease.Record = Record{}
	return o
}

func volume(incarnation string, term, timeline int64, position string) Volume {
	at, err := postgres.ParseLSN(position)
	if err != nil {
		panic(err)
	}
	return Volume{
		Initialised: true, EverInitialised: true, System: "7711", Incarnation: incarnation, Revision: 70, Promise: 70, PromiseKnown: true, Term: term,
		HighestTerm: 3, HighestTimeline: 4, Timeline: timeline, Position: at, PositionKnown: true, Members: []string{"shop-1", "shop-2"},
	}
}

// empty is a volume on which nothing ever was.
var empty = Volume{}

func markedFor(instance string) func(*Observation) {
	return func(o *Observation) {
		o.Lease.Record = Record{System: Bootstrap(instance)}
		o.Own, o.Peers = empty, nil
	}
}

func all(changes ...func(*Observation)) func(*Observation) {
	return func(o *Observation) {
		for _, change := range changes {
			change(o)
		}
	}
}

func second(v Volume) func(*Observation) {
	return func(o *Observation) { o.Peers["shop-2"] = Peer{Volume: v} }
}

// asSecond sees the same with the eyes of shop-2.
func asSecond(o *Observation) {
	own := o.Own
	o.Own, o.Self = o.Peers["shop-2"].Volume, "shop-2"
	o.Peers = map[string]Peer{"shop-1": {Volume: own}}
}

func follows(o *Observation) { o.Running = RunningAsStandby }

func leads(o *Observation) {
	led := published.Copy()
	o.Running, o.Led = RunningAsPrimary, &led
}

// memberOf is what the instance of an observation sees of itself: all is replayed and in force.
func memberOf(o Observation) Member {
	return Member{
		Self: o.Self, Incarnation: o.Own.Incarnation, Fresh: true, Settled: true, Told: o.Lease.Record.Quorum, Running: o.Running,
		ControlTimeline: o.Own.Timeline, Timeline: o.Own.Timeline, Replayed: true, Consistent: true, Position: o.Own.reaches(), Effective: true,
		Wanted: o.Lease.Record.Quorum,
	}
}

// gone: there is no Lease any more, and its record is what was read last. Commits wait for another one.
func gone(o *Observation) {
	o.Lease.Exists, o.Lease.Record.Quorum.Mode, o.Lease.Record.Quorum.Required = false, ModeQuorum, 2
}

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		from   func() Observation
		change func(*Observation)
		verb   Verb
		rule   string
		reason instanceapi.WaitReason
		says   string
	}{
		{"an API that does not answer lets a standby go on", held, all(follows, func(o *Observation) { o.Lease = Lease{} }),
			Rest, "unreadable_lease_changes_nothing", "", ""},
		{"an API that does not answer lets a leader go on", held, all(leads, func(o *Observation) { o.Lease = Lease{} }),
			Rest, "unreadable_lease_changes_nothing", "", ""},
		{"an API that does not answer lets nothing be started", held, func(o *Observation) { o.Lease = Lease{} },
			Wait, "unreadable_lease_changes_nothing", instanceapi.WaitLease, "Kubernetes API"},
		{"a Lease that does not exist is made by the operator alone", held, func(o *Observation) { o.Lease = Lease{Readable: true} },
			Wait, "absent_lease_is_the_operators", instanceapi.WaitLease, "operator"},
		{"a leader goes on without a Lease", held, all(leads, func(o *Observation) { o.Lease = Lease{Readable: true} }),
			Rest, "absent_lease_is_the_operators", "", ""},
		{"a leader is about to open without a Lease, by what it read last", held, all(leads, gone), Tell, "told_implies_published", "", ""},
		{"a leader starts again in place without a Lease, by what it read last", held, gone, StartPrimary, "holder_promotes_to_the_leases_timeline", "", ""},
		{"not one that needs nobody, who could not tell of another one", held, all(gone, func(o *Observation) { o.Lease.Record.Quorum.Required = 1 }),
			Wait, "absent_lease_is_the_operators", instanceapi.WaitLease, "operator"},
		{"nor an asynchronous one", held, all(gone, func(o *Observation) { o.Lease.Record.Quorum.Mode = ModeAsynchronous }),
			Wait, "absent_lease_is_the_operators", instanceapi.WaitLease, "operator"},
		{"which serves on where it runs", held, all(leads, gone, func(o *Observation) { o.Lease.Record.Quorum.Mode, o.Member.Expired = ModeAsynchronous, true }),
			Rest, "absent_lease_is_the_operators", "", ""},
		{"a leader writes no Lease that does not exist", held, all(leads, gone, func(o *Observation) { o.Lease.Record.Revision = 10 }),
			Rest, "absent_lease_is_the_operators", "", ""},

		{"a leader writes an emptied Lease again", held, all(leads, func(o *Observation) { o.Lease.Record = Record{} }),
			WriteLease, "leader_writes_its_record_again", "", ""},
		{"a leader writes an edited Lease again", held, all(leads, func(o *Observation) { o.Lease.Edited, o.Lease.Record = true, Record{} }),
			WriteLease, "leader_writes_its_record_again", "", ""},
		{"a leader ignores a Lease that went back, whoever it names", held, all(leads, func(o *Observation) {
			o.Lease.Record.Revision, o.Lease.Record.Holder = 10, "shop-2"
		}), WriteLease, "leader_writes_its_record_again", "", ""},
		{"a leader that reads another holder stops at once", held, all(leads, func(o *Observation) {
			o.Lease.Record.Revision, o.Lease.Record.Holder, o.Lease.Record.Term = 71, "shop-2", 4
		}), Stop, "one_primary_at_a_time", "", "shop-2"},
		{"a leader whose copy of the data is another stops at once", held, all(leads, func(o *Observation) { o.Own.Incarnation = "a2" }),
			Stop, "one_primary_at_a_time", "", ""},
		{"a leader that holds the Lease leads", held, leads, OpenDoor, "door_opens_behind_the_barrier", "", ""},

		{"another system's volume is not touched", held, func(o *Observation) { o.Own.System = "9999" },
			Wait, "foreign_system_is_not_touched", instanceapi.WaitForeignSystem, "9999"},

		{"the marked instance creates the system", held, markedFor("shop-1"), Initialise, "only_marked_instance_creates_a_system", "", ""},
		{"another one waits for it", held, markedFor("shop-2"), Wait, "only_marked_instance_creates_a_system", instanceapi.WaitLeader, "shop-2"},
		{"the mark counts for nothing on a volume with data", held, all(markedFor("shop-1"), func(o *Observation) {
			o.Own = volume("a1", 3, 4, "0/6000000")
		}), Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "shop-2"},
		{"the mark counts for nothing on a volume that lost its data", held, all(markedFor("shop-1"), func(o *Observation) {
			o.Own = Volume{EverInitialised: true, System: "7711"}
		}), Wait, "all_volumes_must_report", instanceapi.WaitVolumes, ""},
		{"the mark counts for nothing where a peer has data", held, all(markedFor("shop-1"), func(o *Observation) {
			o.Peers = map[string]Peer{"shop-2": {Volume: volume("b1", 3, 4, "0/6000000")}}
		}), Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "without their data: shop-1"},

		{"a holder with an empty volume leads nothing", held, func(o *Observation) { o.Own = empty },
			Wait, "holder_without_its_data_leads_nothing", instanceapi.WaitDataMissing, "Bring the volume back"},
		{"a holder with another copy of the data leads nothing", held, func(o *Observation) { o.Own.Incarnation = "a2" },
			Wait, "holder_without_its_data_leads_nothing", instanceapi.WaitDataMissing, ""},
		{"a bootstrap that crashed after the exchange is finished", held, func(o *Observation) { o.Own, o.Unfinished = empty, "7711" },
			Finish, "holder_without_its_data_leads_nothing", "", ""},
		{"what another initdb left is not taken for it", held, func(o *Observation) { o.Own, o.Unfinished = empty, "9999" },
			Wait, "holder_without_its_data_leads_nothing", instanceapi.WaitDataMissing, ""},
		{"half a clone does not make a holder whole", held, func(o *Observation) {
			o.Own, o.Unfinished, o.UnfinishedClone = Volume{EverInitialised: true, System: "7711", Incarnation: "a2"}, "7711", true
		}, Wait, "holder_without_its_data_leads_nothing", instanceapi.WaitDataMissing, ""},
		{"a holder on the Lease's timeline starts in place", held, func(*Observation) {}, StartPrimary, "holder_promotes_to_the_leases_timeline", "", ""},
		{"a holder on an older timeline promotes first", held, func(o *Observation) { o.Own.Timeline = 1 },
			StartStandby, "holder_promotes_to_the_leases_timeline", "", ""},

		{"a standby follows the holder", held, all(asSecond, follows), Attach, "others_follow", "", ""},
		{"an empty volume is cloned", held, all(asSecond, func(o *Observation) { o.Own = empty }), Clone, "empty_volume_is_cloned_into", "", ""},
		{"a clone that was complete is put into its place", held, all(asSecond, func(o *Observation) {
			o.Own, o.Unfinished, o.UnfinishedClone = Volume{EverInitialised: true, System: "7711"}, "7711", true
		}), Finish, "empty_volume_is_cloned_into", "", ""},
		{"a copy beyond the fork is mended", held, all(asSecond, follows, func(o *Observation) { o.Own = volume("b1", 1, 1, "0/5000001") }),
			Rewind, "diverged_copy_is_mended", "", ""},
		{"a copy up to the fork follows", held, all(asSecond, follows, func(o *Observation) { o.Own = volume("b1", 1, 1, "0/5000000") }),
			Attach, "others_follow", "", ""},
		{"an empty volume waits while nobody leads", held, all(asSecond, func(o *Observation) { o.Own, o.Lease.Record.Holder = empty, "" }),
			Wait, "empty_volume_is_cloned_into", instanceapi.WaitLeader, "nobody leads"},
		{"a member goes on by what it read last while the API does not answer", held, all(asSecond, func(o *Observation) { o.Lease.Readable = false }),
			StartStandby, "server_runs", "", ""},
		{"a copy on a later timeline than the Lease's is kept for a person to look at", held, all(asSecond, func(o *Observation) { o.Own = volume("b1", 1, 9, "0/1") }),
			Wait, "later_data_is_kept", instanceapi.WaitLaterData, "Nothing is followed, cloned or deleted"},
		{"a copy that has seen a later term than the Lease's is kept too", held, all(asSecond, func(o *Observation) { o.Own.HighestTerm = 9 }),
			Wait, "later_data_is_kept", instanceapi.WaitLaterData, ""},

		{"without a leader nobody decides before the instances are known", orphaned, func(o *Observation) { o.Instances = nil },
			Wait, "all_volumes_must_report", instanceapi.WaitConfiguration, ""},
		{"a silent instance is waited for", orphaned, func(o *Observation) { o.Peers = nil },
			Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "not heard yet: shop-2"},
		{"a silent instance is waited for although it is not configured any more", orphaned, func(o *Observation) {
			o.Instances, o.Own.Members = []string{"shop-1", "shop-2"}, []string{"shop-1", "shop-2", "shop-3"}
		}, Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "not heard yet: shop-3"},
		{"an instance that only a peer's record names is waited for", orphaned, all(second(func() Volume {
			v := volume("b1", 3, 4, "0/6000000")
			v.Members = []string{"shop-2", "shop-4"}
			return v
		}())), Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "not heard yet: shop-4"},
		{"an empty volume of a member counts as missing", orphaned, second(empty),
			Wait, "all_volumes_must_report", instanceapi.WaitVolumes, "without their data: shop-2"},
		{"a new instance has nothing to lose", orphaned, func(o *Observation) {
			o.Instances = append(o.Instances, "shop-3")
			o.Peers["shop-3"] = Peer{Volume: empty}
		}, WriteLease, "most_advanced_leads", "", ""},
		{"an instance that was scaled away is not needed", orphaned, func(o *Observation) {
			o.Instances, o.Own.Members, o.Peers = []string{"shop-1"}, []string{"shop-1"}, nil
		}, WriteLease, "most_advanced_leads", "", ""},
		{"where nothing ever was the operator sets the mark again", orphaned, func(o *Observation) { o.Own, o.Peers = empty, map[string]Peer{"shop-2": {}} },
			Wait, "system_that_exists_nowhere_needs_the_mark", instanceapi.WaitVolumes, "bootstrap mark"},
		{"two systems are left alone", orphaned, second(func() Volume {
			v := volume("b1", 3, 4, "0/6000000")
			v.System = "9999"
			return v
		}()), Wait, "one_system_only", instanceapi.WaitForeignSystem, "7711, 9999"},
		{"a leader that lives writes its own record", orphaned, func(o *Observation) { o.Peers["shop-2"] = Peer{Leads: true} },
			Wait, "living_leader_writes_its_own_record", instanceapi.WaitLeader, "shop-2"},
		{"a position that is not known is measured", orphaned, func(o *Observation) { o.Own.PositionKnown = false }, StartStandby, "position_must_be_known", "", ""},
		{"a peer that still measures is waited for", orphaned, second(func() Volume {
			v := volume("b1", 3, 4, "0/6000000")
			v.PositionKnown = false
			return v
		}()), Wait, "position_must_be_known", instanceapi.WaitVolumes, "shop-2"},
		{"a report is a vote", orphaned, func(o *Observation) { o.Own.Promise = 69 }, MakePromise, "position_must_be_known", "", "vote"},
		{"a peer that has not promised is waited for", orphaned, second(func() Volume {
			v := volume("b1", 3, 4, "0/6000000")
			v.Promise = 0
			return v
		}()), Wait, "position_must_be_known", instanceapi.WaitVolumes, "shop-2"},
		{"a peer of a former version promises nothing", orphaned, second(func() Volume {
			v := volume("b1", 3, 4, "0/6000000")
			v.Promise, v.PromiseKnown = 0, false
			return v
		}()), WriteLease, "most_advanced_leads", "", ""},
		{"a standby that runs goes on while others are waited for", orphaned, all(follows, func(o *Observation) { o.Peers = nil }),
			Rest, "all_volumes_must_report", instanceapi.WaitVolumes, "shop-2"},

		{"among equals the lowest ordinal leads", orphaned, func(*Observation) {}, WriteLease, "most_advanced_leads", "", ""},
		{"and the other waits", orphaned, asSecond, Wait, "most_advanced_leads", instanceapi.WaitLeader, "shop-1"},
		{"the later position leads", orphaned, second(volume("b1", 3, 4, "0/6000001")), Wait, "most_advanced_leads", instanceapi.WaitLeader, "shop-2"},
		{"a later term leads, wherever the positions are", orphaned, all(func(o *Observation) { o.Own = volume("a1", 2, 9, "1/0") }),
			Wait, "most_advanced_leads", instanceapi.WaitLeader, "shop-2"},
		{"a Lease that went back counts as deleted where nobody leads", held, func(o *Observation) { o.Lease.Record.Revision = 10 },
			WriteLease, "most_advanced_leads", "", ""},
		{"a Lease edited by hand counts as deleted where nobody leads", held, func(o *Observation) { o.Lease.Edited, o.Lease.Record = true, Record{} },
			WriteLease, "most_advanced_leads", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.from()
			c.change(&o)
			o.Member = memberOf(o)
			got := Decide(o)
			if got.Verb != c.verb || got.Rule != c.rule || got.WaitReason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("decided %s by %s, waiting for %q: %s\nwant %s by %s, %q, saying %q",
					got.Verb, got.Rule, got.WaitReason, got.Message, c.verb, c.rule, c.reason, c.says)
			}
		})
	}
}

func TestANewRecordIsAboveEverythingThatAnyVolumeHasSeen(t *testing.T) {
	o := orphaned()
	other := volume("b1", 3, 4, "0/5000000")
	other.HighestTerm, other.HighestTimeline, other.Revision, other.Promise = 8, 12, 900, 900
	o.Peers["shop-2"] = Peer{Volume: other}
	got := Decide(o).Record
	if got.Term != 9 || got.Timeline != 13 || got.Revision <= 900 {
		t.Fatalf("the record is %+v", got)
	}
	if len(got.Quorum.Members) != 1 || got.Quorum.Members["a1"] != "shop-1" || got.Quorum.Required != 1 || got.Holder != "shop-1" || got.System != "7711" {
		t.Errorf("the record is %+v", got)
	}
}

func TestARecordWrittenAgainKeepsWhatItSaysAndGrows(t *testing.T) {
	o := held()
	leads(&o)
	o.Own.HighestTerm, o.Own.HighestTimeline = 5, 6
	o.Lease.Record = Record{}
	got := Decide(o).Record
	if got.Holder != "shop-1" || got.System != "7711" || len(got.Quorum.Members) != 2 {
		t.Errorf("the record is %+v", got)
	}
	if got.Term != 6 || got.Timeline != 7 || got.Revision <= 70 {
		t.Errorf("term, timeline and revision are %d, %d, %d; want them above 5, 6, 70", got.Term, got.Timeline, got.Revision)
	}
}

// Whatever is observed, an instance without data neither leads nor takes the Lease, and only the marked one creates a system.
func TestNoObservationLetsAnEmptyVolumeLead(t *testing.T) {
	leases := []Lease{
		{}, {Readable: true}, {Readable: true, Record: published}, {Readable: true, Exists: true}, {Readable: true, Exists: true, Edited: true},
		{Readable: true, Exists: true, Record: published}, {Readable: true, Exists: true, Record: Record{System: Bootstrap("shop-2")}},
		{Readable: true, Exists: true, Record: Record{System: "7711", Term: 9, Revision: 99}},
	}
	volumes := []Volume{empty, {EverInitialised: true, System: "7711", Incarnation: "a1"}, {EverInitialised: true}}
	peers := []Volume{empty, volume("b1", 3, 4, "0/6000000"), {EverInitialised: true}}
	for _, lease := range leases {
		for _, own := range volumes {
			for _, other := range peers {
				for _, unfinished := range []string{"", "7711", "9999"} {
					o := held()
					o.Lease, o.Own, o.Unfinished = lease, own, unfinished
					o.Peers["shop-2"] = Peer{Volume: other}
					needData := []Verb{StartPrimary, StartStandby, WriteLease, EndRecovery, OpenDoor, Initialise, Attach, MakePromise}
					if got := Decide(o); slices.Contains(needData, got.Verb) {
						t.Errorf("%s by %s with %+v", got.Verb, got.Rule, o)
					}
				}
			}
		}
	}
}

func TestACopyOnATimelineThatTheHistoryLeavesOutHasDiverged(t *testing.T) {
	record := Record{Timeline: 4, History: []Fork{{Term: 2, Timeline: 2, At: "0/10"}, {Term: 4, Timeline: 4, At: "0/30"}}}
	for _, c := range []struct {
		timeline int64
		position postgres.LSN
		want     bool
	}{
		{4, 0x99, false}, {2, 0x30, false}, {2, 0x31, true},
		{3, 0x20, true}, {3, 0x30, true}, // somebody began it, and nobody followed
		{1, 0x10, false}, {1, 0x11, true}, // further back than the history reaches
		{5, 0x20, true},
	} {
		if got := Diverged(record, c.timeline, c.position); got != c.want {
			t.Errorf("timeline %d at %s: %t", c.timeline, c.position, got)
		}
	}
}

// Somebody else may have been elected by those who are not heard, and the Lease lost since: what he acknowledged would be lost, too.
func TestALostLeaseIsWrittenAgainOnlyByALeaderThatNobodyCanHaveReplaced(t *testing.T) {
	of := func(members map[string]string, required int, mode Mode) *Record {
		led := published.Copy()
		led.Quorum = Quorum{Mode: mode, Members: members, Required: required}
		return &led
	}
	two := map[string]string{"a1": "shop-1", "b1": "shop-2"}
	three := map[string]string{"a1": "shop-1", "b1": "shop-2", "c1": "shop-3"}
	loyal := func(incarnation string) Peer {
		v := volume(incarnation, 3, 4, "0/6000000")
		v.Promise, v.PromiseKnown = 60, true // for an election that came to nothing
		return Peer{Volume: v, Since: true}
	}
	but := func(p Peer, change func(*Peer)) Peer { change(&p); return p }
	voted := func(incarnation string) Peer {
		return but(loyal(incarnation), func(p *Peer) { p.Volume.Promise = p.Volume.Revision })
	}
	for sentence, tc := range map[string]struct {
		led    *Record
		peers  map[string]Peer
		change func(*Observation)
		want   Verb
	}{
		"alone, nobody can have":                        {of(map[string]string{"a1": "shop-1"}, 1, ModeQuorum), nil, nil, WriteLease},
		"of two, the other says that it has not":        {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": loyal("b1")}, nil, WriteLease},
		"the other is not heard":                        {of(two, 2, ModeQuorum), nil, nil, Rest},
		"it was heard before the Lease was read so":     {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": but(loyal("b1"), func(p *Peer) { p.Since = false })}, nil, Rest},
		"it has voted, and nobody was elected":          {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": voted("b1")}, nil, WriteLease},
		"it does not tell of its votes":                 {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": but(loyal("b1"), func(p *Peer) { p.Volume.PromiseKnown = false })}, nil, Rest},
		"of three, one has voted, and one is not heard": {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": voted("b1")}, nil, Rest},
		"both have voted, and neither was elected":      {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": voted("b1"), "shop-3": voted("c1")}, nil, WriteLease},
		"both have voted, where another quorum may be published": {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": voted("b1"), "shop-3": voted("c1")},
			func(o *Observation) { o.LedUnsettled = true }, WriteLease},
		"where that may be with one that is not heard": {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": voted("b1"), "shop-3": voted("c1")},
			func(o *Observation) { o.LedUnsettled, o.Instances = true, append(o.Instances, "shop-4") }, Rest},
		"one that knows of a later term tells that it was replaced": {of(three, 2, ModeQuorum), map[string]Peer{"shop-3": but(loyal("c1"), func(p *Peer) { p.Volume.HighestTerm = 4 })}, nil, Stop},
		"it leads itself":    {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": but(loyal("b1"), func(p *Peer) { p.Leads = true })}, nil, Rest},
		"it is another copy": {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": loyal("b2")}, nil, Rest},
		"of three, one says that it has not, and two must have": {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": loyal("b1")}, nil, WriteLease},
		"where all three are needed, one may have elected":      {of(three, 3, ModeQuorum), map[string]Peer{"shop-2": loyal("b1")}, nil, Rest},
		"where more may be published, too":                      {of(three, 2, ModeQuorum), map[string]Peer{"shop-2": loyal("b1")}, func(o *Observation) { o.LedUnsettled = true }, Rest},
		"in asynchronous mode, within the lease":                {of(two, 1, ModeAsynchronous), nil, nil, WriteLease},
		"in asynchronous mode, after it":                        {of(two, 1, ModeAsynchronous), nil, func(o *Observation) { o.LedExpired = true }, Rest},
		"after it, and the other says that it has not":          {of(two, 1, ModeAsynchronous), map[string]Peer{"shop-2": loyal("b1")}, func(o *Observation) { o.LedExpired = true }, WriteLease},
		"it has promised itself":                                {of(two, 2, ModeQuorum), map[string]Peer{"shop-2": loyal("b1")}, func(o *Observation) { o.Own.Promise = o.Led.Revision }, Rest},
	} {
		o := held()
		o.Running, o.Lease.Record, o.Led, o.Peers = RunningAsPrimary, Record{}, tc.led, tc.peers
		o.Own.Promise = 1 // when it was elected
		if tc.change != nil {
			tc.change(&o)
		}
		got := Decide(o)
		if got.Verb != tc.want || got.Rule != "leader_writes_its_record_again" {
			t.Errorf("%s: %s by %s: %s", sentence, got.Verb, got.Rule, got.Message)
		}
	}
}
