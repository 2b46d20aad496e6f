package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// World of instances, all of whose moves one seed chooses.
type World struct {
	api   *API
	nodes []*node
	rng   *rand.Rand
	rules Rules
	now   int

	// What is asked for, and what leaders make of it.
	asked  election.Availability
	wishes wishes
	// Which faults this world knows beside those that each has.
	wipes, modes bool
	theme        theme
	apiDown      bool
	cut          map[[2]*node]bool
	mail         []letter
	healed       bool
	// stuck tells that an instance comes no further than a point, where that is staged; nil for nobody.
	stuck func(nd *node, at point, step election.Step) bool

	writers      int
	incarnations int
	values       int
	ledger
	story []string
}

// Rules that the world is tried with: those of package election, or a copy in which one is broken on purpose.
type Rules struct {
	Next func(election.Member) election.Step
	Vote func(election.Member) (election.Vote, bool)
	// What an instance manager must not do either.
	PromiseInMemory, ForgetsTold, CountsAnyWalsender, ReadsCache, TwoWalsenders bool
	// KeepsSetting: a server is started with what it was configured with, and not with what is written down that it is told.
	KeepsSetting bool
	// CountsNames: standbys are told apart by instance, and not by incarnation. RefreshesIncarnations: whoever publishes takes each
	// member's present incarnation. WipedVotes: an empty volume keeps its incarnation, and starts. ModeFromSpec: what is asked for counts.
	CountsNames, RefreshesIncarnations, WipedVotes, ModeFromSpec bool
	// CountsAnyTerm: a standby is counted whatever it has read.
	CountsAnyTerm bool
	// ComparesTimelines: the highest number of a history file is taken for how far a copy is.
	ComparesTimelines bool
	// DiskLies about what it has flushed.
	DiskLies bool
	// Theme of all worlds; anything for one that the seed chooses.
	Theme theme
	// LosesLease: now and then the Lease is emptied or restored to what it was; no volume is ever replaced, and nobody forced, which needs no votes. WritesAnyLostLease: whoever leads writes it again.
	// OrphansDoNotVote: what is reported where nobody leads is no promise.
	LosesLease, WritesAnyLostLease, OrphansDoNotVote bool
	// LossOnly: nothing but what is lost counts as a violation. AnyAcknowledges: it is no violation that several leaders are able to.
	LossOnly, AnyAcknowledges bool
}

// NewWorld of n instances; the first leads, and the others are its clones and members.
func NewWorld(seed uint64, n int, rules Rules) *World {
	w := &World{api: NewAPI(), rng: rand.New(rand.NewPCG(seed, 1)), rules: rules, cut: map[[2]*node]bool{}, incarnations: n}
	w.ledger = newLedger()
	w.lossOnly = rules.LossOnly
	w.wishes, w.wipes, w.modes = wishes(w.rng.IntN(3)), w.chance(50), w.chance(20)
	if w.theme = w.anyTheme(); rules.Theme != anything {
		w.theme, w.wipes = rules.Theme, w.wipes || rules.Theme == volumes
	}
	if rules.LosesLease {
		w.wipes = false // an older volume of an instance looks like its present one to those who hear all volumes
	}
	w.asked = defaults(n)
	record := election.Record{Holder: "i1", HolderIncarnation: "i1.1", Term: 1, Revision: 1, Timeline: 1, System: "7711",
		Quorum:  election.Quorum{Mode: election.ModeQuorum, Members: map[string]string{}, Required: n/2 + 1},
		History: []election.Fork{{Term: 1, Timeline: 1, At: "0/0"}}}
	for i := range n {
		nd := &node{name: fmt.Sprintf("i%d", i+1), up: true, memory: forgetful()}
		nd.volume = &volume{
			data:        &Data{WAL: []Record{{Timeline: 1}}, Timeline: 1, StandbySignal: i > 0, Begun: map[int64]bool{1: true}},
			incarnation: fmt.Sprintf("%s.%d", nd.name, i+1), lineage: election.Lineage{},
		}
		record.Quorum.Members[nd.incarnation] = nd.name
		w.nodes = append(w.nodes, nd)
		w.asked.Instances = append(w.asked.Instances, nd.name)
	}
	for _, nd := range w.nodes {
		w.configure(nd, record.Quorum, 1)
		nd.see(record)
		nd.lease, nd.unsettled = record.Copy(), 0
	}
	w.api.Create(record)
	return w
}

// defaults of a cluster of n instances.
func defaults(n int) election.Availability {
	return election.Availability{Mode: election.ModeQuorum, SynchronousStandbys: n / 2, Preferred: n == 2}
}

// settingOf a quorum for one of its members: the others, of whom one less than required must have flushed.
func (w *World) settingOf(quorum election.Quorum, term int64, self string) Setting {
	if quorum.Mode != election.ModeQuorum || quorum.Required <= 1 {
		return Setting{}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(quorum.Members)), func(name string) bool { return name == self })
	for i := range names {
		names[i] = w.senderName(names[i], quorum.Members[names[i]], term)
	}
	return Setting{Number: quorum.Required - 1, Names: slices.Compact(names)}
}

// senderName is the application_name of a copy that has found itself not diverged in a term.
func (w *World) senderName(incarnation, instance string, term int64) string {
	if w.rules.CountsNames {
		incarnation = instance
	}
	if w.rules.CountsAnyTerm {
		return incarnation
	}
	return fmt.Sprintf("%s@%d", incarnation, term)
}

func (w *World) tell(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf(format, args...))
}

func (w *World) chance(percent int) bool { return w.rng.IntN(100) < percent }

// Step is one move of anybody.
func (w *World) Step() {
	w.now++
	if w.rules.LosesLease && !w.healed && w.rng.IntN(300) == 0 {
		w.loseLease()
	}
	nd := w.nodes[w.rng.IntN(len(w.nodes))]
	switch roll := w.rng.IntN(100); {
	case roll < 36:
		w.turn(nd)
	case roll < 54:
		w.stream(nd)
	case roll < 60:
		w.write(nd)
	case roll < 68:
		w.post(nd)
	case roll < 80:
		w.deliver()
	case roll < 83 && nd.server != nil:
		nd.server.TakeReload(w.rng.IntN)
	case roll < 85:
		w.api.Land(w.rng.IntN)
		w.published()
	case roll < 89:
		nd.up = nd.up || !nd.gone
	case roll < 94:
		w.listen(nd)
	case !w.healed:
		w.fault(nd)
	}
	w.notice()
}

// listen for the leader: who does not hear it suspects it, and others now and then.
func (w *World) listen(nd *node) {
	leader := w.named(nd.lease.Holder)
	silent := leader == nil || leader.server == nil || !w.awake(leader) || w.cut[[2]*node{leader, nd}]
	if suspect := silent || (!w.healed && w.chance(20)); suspect != nd.suspect {
		nd.suspect, nd.fresh = suspect, false
	}
}

// named is the instance of that name, if it is up.
func (w *World) named(name string) *node {
	for _, nd := range w.nodes {
		if nd.name == name && nd.up {
			return nd
		}
	}
	return nil
}

// leader by the Lease, if it is up.
func (w *World) leader() *node {
	record, _, _ := w.api.Read()
	return w.named(record.Holder)
}

// awake: it does something.
func (w *World) awake(nd *node) bool { return nd.up && nd.frozenUntil <= w.now }

// write as a client, where the door is open.
func (w *World) write(nd *node) {
	if nd.server == nil || !w.awake(nd) || nd.stalled || !nd.server.Open || nd.server.Recovery {
		return
	}
	for range 1 + w.rng.IntN(3) {
		w.values++
		w.commits = append(w.commits, nd.server.Write(w.values))
		w.lie(nd)
	}
}

// lie about what was flushed last, where disks do.
func (w *World) lie(nd *node) {
	if w.rules.DiskLies {
		nd.data.Unsynced = min(nd.data.Unsynced+1, 3)
	}
}
