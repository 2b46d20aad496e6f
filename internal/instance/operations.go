package instance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/api"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// forcePatience is how long a forced promotion may take; what was accepted then is not accepted any more.
const forcePatience = 30 * time.Second

// Reinitialize throws this standby's data away and clones it again, once the leader does not count it among the members any more.
func (m *Manager) Reinitialize(ctx context.Context, _ instanceapi.ReinitializeRequest) (instanceapi.Status, error) {
	err := m.do(ctx, func() error {
		record := m.lastRecord()
		switch {
		case m.process.primary || record.Holder == m.options.Instance:
			return conflict("NotStandby", m.options.Instance+" leads; switch over first")
		case record.Holder == "":
			return conflict("NotSafe", "nobody leads, so there is nothing to clone from, and this may be the only copy")
		case m.job != nil:
			return api.Busy("a " + m.job.name + " is under way")
		case m.needed(record):
			return conflict("NotSafe", fmt.Sprintf("commits wait for %d of %d members, so none may be taken away; wait until another one has joined",
				record.Quorum.Required, len(record.Quorum.Members)))
		}
		m.following.refused = "a reinitialisation was asked for"
		m.log.Warn("reinitialisation asked for", "leader", record.Holder)
		return m.stop(supervisor.Fast)
	})
	return m.Status(), err
}

// preferred tells that durability gives way where too few members are left.
func (m *Manager) preferred() bool {
	configuration, known := m.configuration.inForce()
	return known && configuration.Availability != nil && configuration.Availability.Durability == instanceapi.DurabilityPreferred
}

// ForcePromotion lets this instance take the Lease without votes. It is begun when this returns.
func (m *Manager) ForcePromotion(ctx context.Context, request instanceapi.ForcePromotionRequest) (reply instanceapi.ForcePromotionReply, err error) {
	err = m.do(ctx, func() error {
		record, member := m.lastRecord(), m.member()
		if !request.AcceptDataLoss {
			return api.Rejected("a forced promotion may lose what was acknowledged; that has to be accepted")
		}
		if !m.lease.readable || !m.contents.Whole || !m.process.running() || m.process.primary {
			return conflict("NotStandby", m.options.Instance+" has to run as a standby, and the Kubernetes API to answer")
		}
		if beat, heard := m.peers.Beat(record.Holder); heard && m.fresh(beat) && !beat.Leads && !beat.Down {
			return api.Busy(record.Holder + " answers, and has not said yet whether it leads")
		}
		if who := m.leaderReachable(); who != "" {
			return conflict("LeaderReachable", who+" reaches a leader, so nothing need be lost; switch over, or mend what keeps the others from it")
		}
		if votesEnough(record, member) {
			return conflict("VotesEnough", "enough members vote; an election decides without losing anything. Where the one that is ahead votes and never leads, stop it first")
		}
		m.forced = time.Now()
		m.log.Warn("forced promotion asked for; what this copy lacks is lost", "position", member.Position.String(), "leader", record.Holder, "leaderPosition", record.Position)
		reply = instanceapi.ForcePromotionReply{
			Position: m.reaches().String(), Term: member.Position.Term, LeaderPosition: record.Position, LeaderTerm: record.Term,
		}
		return nil
	})
	return reply, err
}

// votesEnough tells that an election can decide, of which this instance need not be the one that is elected: its vote is one of them, cast or not. A copy that
// has lost something has none.
func votesEnough(record election.Record, member election.Member) bool {
	votes := slices.Clone(member.Votes)
	member.Lease = record
	if own, _ := member.Vote(); !member.Disclaims() {
		own.Revision = record.Revision
		votes = append(votes, own)
	}
	return election.EnoughVote(record, votes)
}

// leaderReachable is an instance that hears a leader, this one included; "" for none.
func (m *Manager) leaderReachable() string {
	if o := m.process.observation; o != nil && o.Streaming {
		return m.options.Instance
	}
	for name, beat := range m.peers.Beats() {
		if m.fresh(beat) && (beat.Leads || beat.Eligible) {
			return name
		}
	}
	return ""
}

func conflict(reason, message string) error {
	return &api.RefusalError{Code: http.StatusConflict, Reason: reason, Message: message}
}
