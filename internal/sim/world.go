package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/postgres"
)

// World of instances, all of whose moves one seed chooses.
type World struct {
	api   *API
	nodes []*node
	rng   *rand.Rand
	rules Rules

	writers   int
	values    int
	commits   []*Commit
	healed    bool
	shown     []shown
	leaders   int
	elections int
	faults    int
	story     []string
	violation string
}

// shown is a record that somebody was told of: acknowledged, or read on a leader that is open.
type shown struct {
	position int
	record   Record
}

// Rules that the world is tried with: those of package election, or a copy in which one is broken on purpose.
type Rules struct {
	Next func(election.Member) election.Step
	Vote func(election.Member) (election.Vote, bool)
	// What an instance manager must not do either.
	PromiseInMemory, ForgetsTold, CountsAnyWalsender, ReadsCache, TwoWalsenders bool
}

// node is an instance: what is on its volume, what runs, and what it has read.
type node struct {
	name string
	// On the volume.
	data        *Data
	incarnation string
	promise     int64
	told        election.Quorum
	// terms that made timelines, as ever read: a history leaves out what is not on its line, and positions are compared by term.
	terms map[int64]int64
	// Running.
	up      bool
	server  *Server
	opensAt int
	toldAt  int
	// since are the walsenders that started after what was told was seen to be effective.
	effective bool
	since     []*Sender
	// Read and heard.
	lease election.Record
	// unsettled: updates that were sent over this revision or an earlier one may land yet; -1 where it is not known.
	unsettled int64
	version   int
	fresh     bool
	follows   string
	suspect   bool
	leave     bool
	wanted    election.Quorum
	votes     map[string]election.Vote
}

// NewWorld of n instances; the first leads, and the others are its clones and members.
func NewWorld(seed uint64, n int, rules Rules) *World {
	w := &World{api: NewAPI(), rng: rand.New(rand.NewPCG(seed, 1)), rules: rules}
	record := election.Record{Holder: "i1", HolderIncarnation: "i1.1", Term: 1, Revision: 1, Timeline: 1, System: "7711",
		Quorum:  election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{}, Required: n/2 + 1},
		History: []election.Fork{{Term: 1, Timeline: 1, At: "0/0"}}}
	for i := range n {
		nd := &node{name: fmt.Sprintf("i%d", i+1), data: &Data{WAL: []Record{{Timeline: 1}}, Timeline: 1, StandbySignal: i > 0}, votes: map[string]election.Vote{}, terms: map[int64]int64{1: 1}, up: true}
		nd.incarnation = fmt.Sprintf("%s.%d", nd.name, i+1)
		record.Quorum.Members[nd.incarnation] = nd.name
		w.nodes = append(w.nodes, nd)
	}
	for _, nd := range w.nodes {
		nd.told = record.Quorum.Copy()
		nd.data.Setting = settingOf(nd.told, nd.incarnation)
		nd.lease = record.Copy()
	}
	w.api.Create(record)
	return w
}

// settingOf a quorum for one of its members: the others, of whom one less than required must have flushed.
func settingOf(quorum election.Quorum, self string) Setting {
	if quorum.Mode != election.ModeQuorum || quorum.Required <= 1 {
		return Setting{}
	}
	names := slices.Sorted(maps.Keys(quorum.Members))
	return Setting{Number: quorum.Required - 1, Names: slices.DeleteFunc(names, func(name string) bool { return name == self })}
}

func (w *World) tell(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf(format, args...))
}

func (w *World) chance(percent int) bool { return w.rng.IntN(100) < percent }

// Step is one move of anybody.
func (w *World) Step() {
	nd := w.nodes[w.rng.IntN(len(w.nodes))]
	switch roll := w.rng.IntN(100); {
	case roll < 40:
		w.turn(nd)
	case roll < 60:
		w.stream(nd)
	case roll < 70:
		w.write(nd)
	case roll < 80:
		w.hear(nd)
	case roll < 84 && nd.server != nil:
		nd.server.TakeReload(w.rng.IntN)
	case roll < 86:
		w.api.Land(w.rng.IntN)
	case roll < 90:
		nd.up = true
	case roll < 94:
		// Whoever's leader does not answer suspects it, and others now and then.
		leader := w.named(nd.lease.Holder)
		if suspect := leader == nil || leader.server == nil || (!w.healed && w.chance(15)); suspect != nd.suspect {
			nd.suspect, nd.fresh = suspect, false
		}
	case !w.healed:
		w.fault(nd)
	}
	w.notice()
}

// Heal ends all faults: what is down comes up, and nothing new happens to anybody.
func (w *World) Heal() {
	w.healed = true
	for _, nd := range w.nodes {
		nd.up, nd.leave = true, false
	}
}

// fault of any kind that the protocol must bear.
func (w *World) fault(nd *node) {
	w.faults++
	switch w.rng.IntN(6) {
	case 0:
		if w.chance(50) {
			w.crash(nd)
		}
	case 1:
		if nd.server != nil && w.chance(50) { // PID 1 lives, PostgreSQL is killed
			w.stop(nd)
		}
	case 2:
		nd.leave = w.chance(20) && nd.lease.Holder == nd.name
	case 3, 4:
		if nd.server != nil && nd.server.Receiver != nil && w.chance(50) {
			nd.server.Disconnect()
		}
	case 5:
		if nd.server != nil && len(nd.server.senders) > 0 {
			nd.server.Terminate(nd.server.senders[w.rng.IntN(len(nd.server.senders))])
		}
	}
}

func (w *World) crash(nd *node) {
	w.stop(nd)
	nd.data.LosePower()
	if w.rules.PromiseInMemory {
		nd.promise = 0
	}
	nd.up, nd.suspect, nd.fresh, nd.leave = false, false, false, false
	nd.lease, nd.version, nd.unsettled, nd.follows = election.Record{}, -1, -1, ""
	nd.votes = map[string]election.Vote{}
}

func (w *World) stop(nd *node) {
	if nd.server != nil {
		nd.server.Stop()
	}
	nd.server, nd.effective, nd.since, nd.follows = nil, false, nil, ""
}

// hear the vote of another.
func (w *World) hear(nd *node) {
	other := w.nodes[w.rng.IntN(len(w.nodes))]
	if !nd.up || !other.up || other == nd {
		return
	}
	if vote, voted := w.rules.Vote(w.member(other)); voted {
		nd.votes[vote.Incarnation] = vote
	}
}

// stream moves WAL to a standby, or its reply back.
func (w *World) stream(nd *node) {
	if nd.server == nil {
		return
	}
	for range 1 + w.rng.IntN(4) {
		nd.server.Replay()
	}
	receiver := nd.server.Receiver
	if receiver == nil || !receiver.Connected() {
		nd.server.Disconnect()
		w.connect(nd)
		return
	}
	for range w.rng.IntN(4) {
		receiver.Receive()
	}
	if w.chance(70) {
		receiver.Reply()
	}
}

// connect to whom the gate leads, if it is there.
func (w *World) connect(nd *node) {
	leader := w.named(nd.follows)
	if leader == nil || leader.server == nil || leader == nd {
		return
	}
	if !w.rules.TwoWalsenders {
		// The member's slot keeps a second one from starting; the leader terminates one that is stale.
		for _, sender := range leader.server.Senders() {
			if sender.Name == nd.incarnation {
				leader.server.Terminate(sender)
			}
		}
	}
	nd.server.Connect(leader.server, nd.incarnation)
	if leader.effective {
		leader.since = append(leader.since, nd.server.Receiver.sender)
	}
}

func (w *World) named(name string) *node {
	for _, nd := range w.nodes {
		if nd.name == name && nd.up {
			return nd
		}
	}
	return nil
}

// write as a client, where the door is open.
func (w *World) write(nd *node) {
	if nd.server == nil || !nd.server.Open || nd.server.Recovery {
		return
	}
	w.values++
	w.commits = append(w.commits, nd.server.Write(w.values))
}

// notice what was acknowledged meanwhile, and that it is on whoever is open.
func (w *World) notice() {
	w.commits = slices.DeleteFunc(w.commits, func(commit *Commit) bool {
		if commit.Acknowledged {
			w.shown = append(w.shown, shown{commit.Position, commit.Record})
			w.tell("acknowledged: %+v at %d", commit.Record, commit.Position)
			w.checkAcknowledged(commit)
		}
		return commit.Acknowledged
	})
}

// checkAcknowledged: a leader of a later timeline that is open already must have it too.
func (w *World) checkAcknowledged(commit *Commit) {
	for _, nd := range w.nodes {
		if nd.server != nil && nd.server.Open && !nd.server.Recovery && nd.data.LastTimeline() > commit.Record.Timeline && !nd.data.Has(commit.Position, commit.Record) {
			w.violation = fmt.Sprintf("the record %+v at %d is acknowledged while %s leads without it", commit.Record, commit.Position, nd.name)
		}
	}
}

// check that a leader that opens has whatever anybody was ever told; and remember what it shows from now on.
func (w *World) check(nd *node) {
	for _, s := range w.shown {
		if !nd.data.Has(s.position, s.record) {
			w.violation = fmt.Sprintf("%s opens in term %d without the record %+v at %d, which was shown", nd.name, nd.lease.Term, s.record, s.position)
			return
		}
	}
	for position, record := range nd.data.WAL {
		if record.Value != 0 && !slices.Contains(w.shown, shown{position, record}) {
			w.shown = append(w.shown, shown{position, record})
		}
	}
}

// at is a position as the election sees it: counted in records.
func at(records int) postgres.LSN { return postgres.LSN(records) }
