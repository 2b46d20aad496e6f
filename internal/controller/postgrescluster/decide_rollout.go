package postgrescluster

import (
	"cmp"
	"slices"

	"github.com/timonier-io/timonier/internal/postgres"
)

// memberFacts are what decideRollout knows of one instance.
type memberFacts struct {
	name string
	// leads: it takes writes.
	leads bool
	// replace: its pod is not what is wanted any more.
	replace bool
	// answers: it told of itself just now.
	answers bool
	// configured: the wanted configuration is in force, but for what waits for a restart.
	configured bool
	// pending: parameters wait for a restart.
	pending bool
	// settled: it serves, and is not busy starting, cloning or restarting.
	settled bool
	// heir is the instance to which it could hand over, "" for none: it leads, and that one has all that is rolled out.
	heir string
	// lowers: what it restarts for has to be lowered in the one that leads before any standby may follow.
	lowers bool
}

// rolloutStep is the one thing to do next.
type rolloutStep struct {
	verb     rolloutVerb
	instance string
	// waitsFor is the instance that is not settled, with verbWait.
	waitsFor string
	// heir and then: to whom it hands over, with verbHandOver, and what is done where it does not know how.
	heir string
	then rolloutVerb
}

type rolloutVerb string

const (
	verbNone      rolloutVerb = ""
	verbConfigure rolloutVerb = "configure"
	verbRestart   rolloutVerb = "restart"
	verbReplace   rolloutVerb = "replace"
	verbHandOver  rolloutVerb = "hand over"
	verbWait      rolloutVerb = "wait"
	verbAwaitHeir rolloutVerb = "await an heir"
)

// decideRollout brings changes to one instance after the other, standbys first and the leader last, and goes on only
// when the one before has settled: what breaks the first is brought to no other. The one that leads hands over before it is
// stopped, and its turn comes again as a standby. For a value that is lowered it restarts in place: its successor would have the same to do, and so on.
//
// The order is right for raised and for lowered parameters alike: a standby never runs with less than its primary
// did (the instance sees to it), and mayRestartBeforeLeader says when its restart is not due yet.
func decideRollout(members []memberFacts) rolloutStep {
	for _, member := range standbysFirst(members) {
		if member.answers && !member.configured {
			return rolloutStep{verb: verbConfigure, instance: member.name}
		}
		verb := verbNone
		switch {
		case member.replace:
			verb = verbReplace
		case member.answers && member.pending:
			verb = verbRestart
		}
		if verb == verbNone {
			continue
		}
		// Stopping one that serves is only for when all others do; one that does not serve has nothing to lose.
		if other := unsettled(members, member.name); other != "" && member.settled {
			return rolloutStep{verb: verbWait, instance: member.name, waitsFor: other}
		}
		if !member.settled && verb == verbRestart {
			return rolloutStep{verb: verbWait, instance: member.name, waitsFor: member.name}
		}
		return member.stop(verb, len(members) == 1)
	}
	return rolloutStep{}
}

// stop an instance whose turn has come, by this verb. One that leads hands over first, and is not stopped before somebody can lead in its place.
func (member memberFacts) stop(verb rolloutVerb, alone bool) rolloutStep {
	inPlace := member.lowers && verb == verbRestart
	switch {
	case member.heir != "" && !inPlace:
		return rolloutStep{verb: verbHandOver, instance: member.name, heir: member.heir, then: verb}
	case member.leads && member.settled && !inPlace && !alone:
		return rolloutStep{verb: verbAwaitHeir, instance: member.name}
	}
	return rolloutStep{verb: verb, instance: member.name}
}

// mayRestartBeforeLeader tells whether a standby's restart is due although its leader still runs with the former values: not
// for a value that is lowered, which a standby may have only once it has replayed that its leader has it; but for one
// that is raised beside it, which a standby must have first. Values are those of postgres.StandbySensitive.
func mayRestartBeforeLeader(leader, standby, wanted map[string]int64) bool {
	return !postgres.Lowered(leader, wanted) || postgres.Raised(standby, wanted)
}

// standbysFirst, and of them those that do not serve: what the others wait for may be just what is to be brought to them.
func standbysFirst(members []memberFacts) []memberFacts {
	turn := func(m memberFacts) int {
		switch {
		case m.leads:
			return 2
		case m.settled:
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(members), func(a, b memberFacts) int { return cmp.Compare(turn(a), turn(b)) })
}

// unsettled is an instance other than this one that does not serve; "" where all do.
func unsettled(members []memberFacts, except string) string {
	for _, member := range members {
		if member.name != except && !member.settled {
			return member.name
		}
	}
	return ""
}
