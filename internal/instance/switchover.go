package instance

import (
	"context"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	// handoverPatience is how long a handover may take before the leader starts again as one, clients waiting.
	handoverPatience = 10 * time.Second
	// confirmPatience is how long the successor may take to confirm once the server has ended. A server that stops waits for all that stream from it, so what
	// is still missing then is replay, or a successor that was not connected and never will confirm.
	confirmPatience = 3 * time.Second
	// reconnectPatience is how long a standby may connect anew, which takes a tenth of a second mostly, before it counts as one that does not stream.
	reconnectPatience = 2 * time.Second
	// roomPatience is how long a successor may take to open before the former leader starts again beside it.
	roomPatience = time.Second
	// handoverLag is how far behind a successor may be for a handover to be begun: it is to be over in a second.
	handoverLag = 16 << 20
)

// handingOver is a handover that is under way.
type handingOver struct {
	to      string
	askedAt time.Time
	until   time.Time
	// checkpointed: a checkpoint was made, so that the one of the stop is short.
	checkpointed bool
	// asked: the server was told to stop. endedAt is when it was seen to have ended, lookedAt when the control file was last read for that.
	asked             bool
	endedAt, lookedAt time.Time
}

// Switchover hands the Lease over to another member, of its choice or of this leader's.
func (m *Manager) Switchover(ctx context.Context, request instanceapi.SwitchoverRequest) (instanceapi.Status, error) {
	err := m.do(ctx, func() error {
		if !m.process.primary || m.leading.record == nil || m.process.observation == nil {
			return api.NotLeader(m.options.Instance)
		}
		// What was seen last may be a second old, in which much can be written.
		if err := m.observeServer(ctx); err != nil {
			return err
		}
		return m.beginHandover(request.To)
	})
	return m.Status(), err
}

// beginHandover to this instance, or to the one that is nearest; refused where it could not be done at once, and without a loss.
func (m *Manager) beginHandover(to string) error {
	if m.handing != nil {
		return api.Busy("a handover to " + m.handing.to + " is under way")
	}
	if !m.process.open {
		return api.Busy(m.options.Instance + " leads since this moment and has not let clients in yet; ask again when it has")
	}
	candidates := m.successors()
	if to == "" {
		for name, lag := range candidates {
			if best, known := candidates[to]; lag <= handoverLag && (!known || lag < best) {
				to = name
			}
		}
		if name := m.anyReconnects(candidates); to == "" && name != "" {
			return api.Busy(name + " connects to this leader anew, which takes a moment; ask again")
		}
		if to == "" {
			return conflict("NobodyEligible", "no member follows closely enough to lead; see status.instances")
		}
	}
	lag, member := candidates[to]
	switch {
	case to == m.options.Instance:
		return conflict("AlreadyLeader", to+" leads already")
	case !member && m.reconnects(to):
		return api.Busy(to + " connects to this leader anew, which takes a moment; ask again")
	case !member:
		return conflict("NotMember", to+" is no member that streams, so it may lack what was acknowledged; wait until it streams")
	case lag > handoverLag:
		return conflict("Lagging", fmt.Sprintf("%s is %d bytes behind; wait until it has caught up", to, lag))
	case m.owesPromotion():
		m.process.restarting, m.process.restartAsked = true, time.Now()
		m.log.Info("restarting postgres, to make up for a promotion before the handover", "to", to, "timeline", m.leading.record.Timeline)
		if err := m.stop(supervisor.Fast); err != nil {
			return err
		}
		return api.Busy(fmt.Sprintf("it has written a Lease again that was lost, and makes up for the promotion to timeline %d first, which takes seconds", m.leading.record.Timeline))
	}
	m.handing = &handingOver{to: to, askedAt: time.Now(), until: time.Now().Add(handoverPatience)}
	m.log.Info("handing over", "to", to, "term", m.lease.record.Term)
	return nil
}

// owesPromotion tells that this leader serves on an older timeline than its Lease names, as after it has written a lost one again. Until that is made up
// for by a start in place, nobody could tell by term and position what a successor has.
func (m *Manager) owesPromotion() bool {
	return m.process.observation.Timeline != m.leading.record.Timeline
}

// leavesRoom tells that this instance, which has just handed over, starts again a moment later: until its successor is open a server here could only turn
// away, each at the cost of a process, the clients that are still led here. Where the successor may need it, for a vote or to confirm, it does not wait.
func (m *Manager) leavesRoom() bool {
	return m.passed != nil && time.Since(m.endedAt) < roomPatience && m.othersSuffice(m.lastRecord())
}

// othersSuffice tells that nobody has to wait for this instance, for a vote or for a commit: as many others as that takes are heard.
func (m *Manager) othersSuffice(record election.Record) bool {
	if record.Quorum.Mode != election.ModeQuorum {
		return false
	}
	others := 0
	for incarnation, name := range record.Quorum.Members {
		if beat, heard := m.peers.Beat(name); heard && m.fresh(beat) && beat.Incarnation == incarnation {
			others++
		}
	}
	return others >= record.Quorum.Required
}

// terminate begins to end this program.
func (m *Manager) terminate() {
	m.ending, m.waitsUntil = true, time.Now().Add(reconnectPatience)
}

// mayEnd tells that nothing is left to be done before the end. A leader hands over first: nobody has to miss it then. Where its standbys connect anew just
// now, it waits for them.
func (m *Manager) mayEnd() bool {
	switch {
	case !m.ending || m.handing != nil:
		return false
	case m.handedOnce && m.stillSought(m.lastRecord()) && m.othersSuffice(m.lastRecord()) && time.Since(m.endedAt) < ledAstray:
		return false // its address refuses clients, who try again at once; one that is gone leaves them waiting
	case m.handedOnce || !m.process.primary || m.leading.record == nil || m.process.observation == nil:
		return true
	case m.owesPromotion():
		m.log.Info("stopping without a handover", "why", "its data is not on the Lease's timeline yet; the others elect")
		return true
	}
	err := m.beginHandover("")
	refusal, refused := asRefusal(err)
	m.handedOnce = err == nil
	switch {
	case err == nil:
		m.readLease() // whether the API takes this instance's word at all is known before the server has stopped
		return false
	case refused && refusal.Reason == api.ReasonBusy && time.Now().Before(m.waitsUntil):
		return false
	}
	m.log.Info("stopping without a handover", "why", err.Error())
	return true
}

// successors are the members that stream and are heard, with how many bytes they are behind.
func (m *Manager) successors() map[string]int64 {
	candidates := map[string]int64{}
	record := m.lastRecord()
	for _, replica := range m.process.observation.Replicas {
		beat, heard := m.peers.Beat(replica.Instance)
		if record.Quorum.Members[replica.Incarnation] == replica.Instance && replica.Streaming() && heard && m.fresh(beat) {
			candidates[replica.Instance] = m.process.observation.Flushed.Sub(replica.Replayed)
		}
	}
	return candidates
}

// reconnects tells that an instance is a published member and is heard, though it does not stream now: as when what a commit waits for has changed. One
// that stays away is no member for long.
func (m *Manager) reconnects(name string) bool {
	beat, heard := m.peers.Beat(name)
	return heard && m.fresh(beat) && m.lastRecord().Quorum.Members[beat.Incarnation] == name
}

// anyReconnects is an instance that is no candidate only because it connects anew, "" for none.
func (m *Manager) anyReconnects(candidates map[string]int64) string {
	for _, name := range m.lastRecord().MemberNames() {
		if _, streams := candidates[name]; !streams && name != m.options.Instance && m.reconnects(name) {
			return name
		}
	}
	return ""
}

// handsOver is the instance that the Lease is to be passed to, "" for none, or where it took too long.
func (m *Manager) handsOver() string {
	if m.handing == nil {
		return ""
	}
	if beat, _ := m.peers.Beat(m.handing.to); beat.Broken {
		m.giveHandoverUp(m.handing.to + " is gone")
		return ""
	}
	if m.turnedAway { // others are not, and elect as soon as they know
		m.giveHandoverUp("the Kubernetes API does not take this instance's word any more, as of a pod that was deleted by force")
		return ""
	}
	// While a write to its volumes hangs it is not given up for time: who could take over would be ended with the server, before a stall is told from a busy disk.
	hangs := m.writes.Waits(time.Now()) >= time.Second && time.Now().Before(m.handing.until.Add(stalledStopping))
	if time.Now().After(m.handing.until) && !hangs {
		m.giveHandoverUp("it took longer than " + handoverPatience.String())
		return ""
	}
	if ended := m.handing.endedAt; !ended.IsZero() && time.Since(ended) > confirmPatience {
		m.giveHandoverUp(m.handing.to + " does not confirm that it has everything")
		return ""
	}
	return m.handing.to
}

// giveHandoverUp, if one is under way. It is the matter of one stop of the server: one that is started again has another end, which nobody has confirmed.
func (m *Manager) giveHandoverUp(why string) {
	if m.handing == nil {
		return
	}
	m.log.Warn("the handover is given up", "to", m.handing.to, "why", why)
	m.measures.Handovers.Add(metrics.GivenUp)
	asked := m.handing.asked
	m.handing = nil
	if asked && m.process.running() {
		// Clients have been ended, and what still runs, as an archiver that hangs, keeps it from being started again.
		if err := m.stop(supervisor.Immediate); err != nil {
			m.log.Error("postgres cannot be stopped", "error", err.Error())
		}
	}
}

// stopForHandover stops the server in the way that sends its last record to the standbys.
func (m *Manager) stopForHandover(ctx context.Context) (done bool, err error) {
	h := m.handing
	if h == nil {
		return false, nil
	}
	if !h.checkpointed {
		if h.checkpointed, err = m.checkpointed(ctx); err != nil || !h.checkpointed {
			return false, err
		}
	}
	h.asked = true
	m.log.Info("stopping postgres to hand over", "to", h.to)
	return false, m.stop(supervisor.Fast)
}

// observeHandover looks whether the server that was stopped has written its last record, and who has that.
func (m *Manager) observeHandover(ctx context.Context) error {
	p, h := &m.process, m.handing
	if h == nil || !h.asked {
		p.shutDown = false
		return nil
	}
	if !p.running() && h.endedAt.IsZero() {
		h.endedAt, h.lookedAt = time.Now(), time.Time{}
	}
	if p.shutDown || time.Since(h.lookedAt) < busyTurn {
		return nil // nothing undoes it but a start; and what is started in order to look takes its time from the server that stops
	}
	h.lookedAt = time.Now()
	control, err := m.programs.ControlData(ctx, m.options.Volumes.PGData())
	if err != nil {
		return err
	}
	m.contents.Control = control // nobody else says on which timeline a server is that answers no more
	p.shutDown, p.shutDownAt = control.CleanlyShutDown(), control.CheckpointLocation
	return nil
}

// holds is how far members say that they have replayed.
func (m *Manager) holds() map[string]election.Position {
	holds := map[string]election.Position{}
	for _, beat := range m.peers.Beats() {
		if at, err := postgres.ParseLSN(beat.Replayed); err == nil && beat.Term != 0 {
			holds[beat.Incarnation] = election.Position{Term: beat.Term, At: at}
		}
	}
	return holds
}

// lastRecordEnds is where the WAL of a server that was shut down ends: the shutdown checkpoint is its last record, so whoever has replayed
// beyond the beginning of that has replayed all of it, and says where it ends. 0, which nobody holds, while nobody has.
func (m *Manager) lastRecordEnds(holds map[string]election.Position) postgres.LSN {
	for _, position := range holds {
		if position.Term == m.lease.record.Term && position.At > m.process.shutDownAt {
			return position.At
		}
	}
	return 0
}
