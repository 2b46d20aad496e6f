package instance

import (
	"context"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// A leader whose program and server went down together compares what its disk has kept with what the members have, before a server of it writes
// anything. Meanwhile it tells them that it is down: where they can do without it they elect, and where they cannot they detach, and know by that how far they go.

const (
	// hearingPatience is how long a member may take to be heard, and answerPatience how long one that is heard may take to find out how far its copy goes. For
	// that it detaches, which it does by what it reads of the Lease: without the API it cannot, and what it has replayed by then is all that there is to hear. One
	// that was started just now is detached, and recovers.
	hearingPatience = time.Second
	answerPatience  = 5 * time.Second
	// askedAgainAfter is when one that did not know yet is asked again.
	askedAgainAfter = 300 * time.Millisecond
)

// searchPatience is how long the search for the end of the WAL may take: somebody waits, and a volume may hang.
const searchPatience = time.Minute

// endJob is what the search for the end of the WAL is called as work beside the loop.
const endJob = "end of WAL"

// comparison of a leader that crashed with the members that it reaches.
type comparison struct {
	// crashed: the server of the program before this one did not end in an orderly way, and none has led here since.
	crashed bool
	// began is since when the members are listened to: since the end of the WAL is known, for it may have taken long.
	began time.Time
	// found holds the end of the WAL once, 0 where it cannot be found.
	found     chan postgres.LSN
	ends      postgres.LSN
	endsKnown bool
	// reaches is how far the members' copies go at least, by incarnation: what one has said once stays true. told by those that know that it is all.
	reaches map[string]election.Position
	told    map[string]bool
	// recovers: its server did not tell yet how far it is.
	recovers map[string]bool
	// listens: there may be more to hear.
	listens bool
}

// askMembers how far their copies go, where this instance has crashed as their leader.
func (m *Manager) askMembers(ctx context.Context) {
	c, record := &m.compared, m.lastRecord()
	c.listens = false
	incarnation := m.contents.Identity.Incarnation
	if record.HolderIncarnation != "" && record.HolderIncarnation != incarnation {
		*c = comparison{} // somebody else has led since
	}
	if !c.crashed || record.Holder != m.options.Instance || m.process.running() {
		return
	}
	select {
	case c.ends = <-c.found:
		c.endsKnown, c.began, c.reaches, c.told = true, time.Now(), map[string]election.Position{}, map[string]bool{}
		c.recovers = map[string]bool{}
	default:
	}
	if !c.endsKnown {
		return
	}
	m.statuses.Ask(ctx, m.others(), askedAgainAfter)
	for name, status := range m.statuses.Answers(askedAgainAfter + time.Second) {
		c.hear(status, record.Quorum.Members[status.Volume.Incarnation] == name)
	}
	waited := time.Since(c.began)
	// What was read of the Lease before the search says little: the others may have elected meanwhile.
	c.listens = m.lease.readable && m.lease.doubtful && waited < answerPatience
	for member, name := range record.Quorum.Members {
		beat, heard := m.peers.Beat(name)
		finds := heard && m.fresh(beat) && beat.Incarnation == member && (m.apiAnswered.After(c.began) && !m.lease.absent || c.recovers[member])
		listens := waited < hearingPatience || waited < answerPatience && finds
		c.listens = c.listens || c.ends != 0 && member != incarnation && !c.told[member] && listens
	}
}

// hear what a member tells. What it has replayed it has, attached or not, and the term is never told too high; all that it has it knows only once it is detached.
func (c *comparison) hear(status instanceapi.Status, isMember bool) {
	if isMember {
		c.recovers[status.Volume.Incarnation] = status.Postgres == nil || status.Postgres.InRecovery && status.Postgres.ReplayPosition == ""
	}
	if !isMember || status.Postgres == nil || !status.Postgres.InRecovery {
		return
	}
	at, err := postgres.ParseLSN(status.Postgres.ReplayPosition)
	reaches, incarnation := election.Position{Term: status.Volume.Term, At: at}, status.Volume.Incarnation
	if err == nil && reaches.Compare(c.reaches[incarnation]) > 0 {
		c.reaches[incarnation] = reaches
	}
	c.told[incarnation] = c.told[incarnation] || err == nil && status.Volume.PositionKnown
}

// findEnd of the WAL that is on disk, beside the loop: all of it since the last checkpoint is read. Where its end cannot be found it is recovery's to tell.
func (m *Manager) findEnd() {
	found, control, directory := make(chan postgres.LSN, 1), m.contents.Control, m.options.Volumes.PGData()
	m.compared.found = found
	m.begin(endJob, instanceapi.StateRecovering, "finding out what the disk has kept", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, searchPatience)
		defer cancel()
		type result struct {
			end postgres.LSN
			err error
		}
		search := make(chan result, 1)
		go func() { // a child that hangs on its volume does not end when it is killed
			end, err := postgres.WALEnd(ctx, m.programs.Run, directory, control)
			search <- result{end, err}
		}()
		r := result{err: fmt.Errorf("it was not found within %s", searchPatience)}
		select {
		case r = <-search:
		case <-ctx.Done():
		}
		if r.err != nil {
			m.log.Warn("where the WAL on this disk ends is not known; the members are not compared with it", "error", r.err.Error())
		} else {
			m.log.Info("the WAL on this disk was read, as its server crashed while it led", "from", control.CheckpointREDO.String(), "end", r.end.String())
		}
		found <- r.end
		return nil
	})
}

// disclaim writes down that this copy has lost something, before the Lease is released for that: a program that starts anew would not know.
func (m *Manager) disclaim(why string) error {
	identity := m.contents.Identity
	identity.Disclaimed = m.lastRecord().Term
	if err := m.saveIdentity(identity); err != nil {
		return err
	}
	m.contents.Identity.Disclaimed = identity.Disclaimed
	m.log.Error("this copy has lost what it had confirmed", "term", identity.Disclaimed, "why", why)
	return nil
}
