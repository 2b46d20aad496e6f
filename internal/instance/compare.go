package instance

import (
	"context"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// A leader whose program and server went down together compares what its disk has kept with what the members have, before a server of it writes
// anything. Meanwhile it tells them that it is down: where they can do without it they elect, and where they cannot they detach, and know by that how far they go.

const (
	// hearingPatience is how long a member may take to be heard, and answerPatience how long one that is heard may take to find out how far its copy goes.
	hearingPatience = time.Second
	answerPatience  = 5 * time.Second
	// askedAgainAfter is when one that did not know yet is asked again.
	askedAgainAfter = 300 * time.Millisecond
)

// endJob is what the search for the end of the WAL is called as work beside the loop.
const endJob = "end of WAL"

// comparison of a leader that crashed with the members that it reaches.
type comparison struct {
	// crashed: the server of the program before this one did not end in an orderly way, and none has led here since.
	crashed bool
	// began is since when the members are listened to.
	began time.Time
	// found holds the end of the WAL once, 0 where it cannot be found.
	found     chan postgres.LSN
	ends      postgres.LSN
	endsKnown bool
	// reaches is how far the members' copies go, by incarnation. What one has said once stays true.
	reaches map[string]election.Position
	// listens: there may be more to hear.
	listens bool
}

// askMembers how far their copies go, where this instance has crashed as their leader.
func (m *Manager) askMembers(ctx context.Context) {
	c, record := &m.compared, m.lastRecord()
	c.listens = false
	incarnation := m.contents.Identity.Incarnation
	if !c.crashed || record.Holder != m.options.Instance || record.HolderIncarnation != incarnation || m.process.running() {
		return
	}
	if c.began.IsZero() {
		c.began, c.reaches = time.Now(), map[string]election.Position{}
	}
	select {
	case c.ends = <-c.found:
		c.endsKnown = true
	default:
	}
	m.statuses.Ask(ctx, slices.DeleteFunc(record.MemberNames(), func(name string) bool { return name == m.options.Instance }), askedAgainAfter)
	answers, waited := m.statuses.Answers(askedAgainAfter+time.Second), time.Since(c.began)
	for member, name := range record.Quorum.Members {
		if member == incarnation {
			continue
		}
		if status, answered := answers[name]; answered && status.Volume.Incarnation == member && status.Volume.PositionKnown && status.Postgres != nil {
			if at, err := postgres.ParseLSN(status.Postgres.ReplayPosition); err == nil {
				c.reaches[member] = election.Position{Term: status.Volume.Term, At: at}
			}
		}
		beat, heard := m.peers.Beat(name)
		_, told := c.reaches[member]
		c.listens = c.listens || !told && (waited < hearingPatience || waited < answerPatience && heard && m.fresh(beat) && beat.Incarnation == member)
	}
}

// findEnd of the WAL that is on disk, beside the loop: all of it since the last checkpoint is read. Where it has none that can be found, recovery tells more.
func (m *Manager) findEnd() {
	found, control, directory := make(chan postgres.LSN, 1), m.contents.Control, m.options.Volumes.PGData()
	m.compared.found = found
	m.begin(endJob, instanceapi.StateRecovering, "finding out what the disk has kept", func(ctx context.Context) error {
		end, err := postgres.WALEnd(ctx, m.programs.Run, directory, control)
		if err != nil {
			m.log.Warn("where the WAL on this disk ends is not known; the members are not compared with it", "error", err.Error())
		} else {
			m.log.Info("the WAL on this disk was read, as its server crashed while it led", "from", control.CheckpointREDO.String(), "end", end.String())
		}
		found <- end
		return nil
	})
}
