package instance

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/timonier-io/timonier/internal/instance/endpoints"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/naming"
)

// slotsEvery is how often a leader looks at the slots, and slotsSoon where one is missing, or an instance is new: that waits so long for its own before it can
// clone.
const (
	slotsEvery = 5 * time.Second
	slotsSoon  = time.Second
)

// peersEvery is how often a leader asks the others, so that it knows where they run before they stream.
const peersEvery = 30 * time.Second

// leaderDuties are what a leader does all the time, beside renewing. None of them may keep another from being done.
func (m *Manager) leaderDuties(ctx context.Context) {
	m.statuses.Ask(ctx, m.others(), peersEvery)
	m.publishEndpoints(ctx)
	m.endStale(ctx)
	m.keepLeadersSlots(ctx)
}

// keepLeadersSlots at once where the instances are others than those that have theirs.
func (m *Manager) keepLeadersSlots(ctx context.Context) {
	configuration, known := m.configuration.inForce()
	if !known || !m.leading.slotsDue(configuration.Instances, time.Now()) {
		return
	}
	m.leading.slotsAt, m.leading.slotsOf = time.Now(), nil
	if err := m.keepSlots(ctx); err != nil {
		m.log.Warn("replication slots are not as they should be, trying again", "error", err.Error())
		return
	}
	m.leading.slotsOf = configuration.Instances
}

// slotsDue tells whether the slots of these instances are to be looked at.
func (l leading) slotsDue(instances []string, now time.Time) bool {
	every := slotsSoon
	if slices.Equal(instances, l.slotsOf) {
		every = slotsEvery
	}
	return now.Sub(l.slotsAt) >= every
}

// publishEndpoints says who is to be in the EndpointSlices.
func (m *Manager) publishEndpoints(ctx context.Context) {
	if !m.process.open {
		return // followTheLease says so
	}
	o := m.process.observation
	self := endpoints.Member{Instance: m.options.Instance, Address: m.options.PodIP, Node: m.options.Node}
	var standbys []endpoints.Standby
	for _, replica := range o.Replicas {
		node, known := "", false
		// The node is the peer's to tell; a pod that was made again has another address, perhaps on another node.
		if status, answered := m.statuses.Last(replica.Instance); answered && status.Address == replica.Address {
			node, known = status.Node, true
		}
		if !known {
			m.statuses.Ask(ctx, []string{replica.Instance}, time.Second)
		}
		standbys = append(standbys, endpoints.Standby{
			Member:    endpoints.Member{Instance: replica.Instance, Address: replica.Address, Node: node},
			Streaming: replica.Streaming() && m.listed(replica.Instance) && m.forReaders(replica.Instance), LagBytes: o.Inserted.Sub(replica.Replayed),
		})
	}
	wanted := endpoints.Decide(m.leading.record.Term, self, standbys)
	m.publisher.Publish(&wanted)
}

// forReaders tells that an instance does not say that it lets no readers in now, or that what it shows them gets older.
func (m *Manager) forReaders(instance string) bool {
	beat, heard := m.peers.Beat(instance)
	return !heard || !m.fresh(beat) || !beat.Shut && !beat.Stale
}

// listed tells whether the configuration has this instance.
func (m *Manager) listed(instance string) bool {
	configuration, known := m.configuration.inForce()
	return known && slices.Contains(configuration.Instances, instance)
}

// staleAfter is how long before its heartbeat says that it does not stream a standby must have replied for the last time: one that streams does each second.
const staleAfter = 2 * time.Second

// reply of a standby: repliedAt by its clock, seen when that had changed. ended: its walsender was asked to end.
type reply struct {
	repliedAt, seen time.Time
	ended           bool
}

// endStale ends each walsender whose standby has gone silently and is back: it holds the slot, so that its successor would wait for wal_sender_timeout.
func (m *Manager) endStale(ctx context.Context) {
	now, replies := time.Now(), map[server.Walsender]reply{}
	for _, replica := range slices.Concat(m.process.observation.Replicas, m.process.observation.Others) {
		last, known := m.leading.replies[replica.Walsender]
		if !known || !last.repliedAt.Equal(replica.RepliedAt) {
			last = reply{repliedAt: replica.RepliedAt, seen: now}
		}
		beat, heard := m.peers.Beat(replica.Instance)
		observed := heard && m.fresh(beat) && beat.CheckpointTimeline != 0 // one that recovers does not answer, and may be receiving
		if left := observed && !beat.Eligible && beat.At.Sub(last.seen) >= staleAfter; left && !last.ended {
			if err := m.sql.TerminateWalsender(ctx, replica.Walsender); err != nil {
				m.log.Warn("the connection that a standby has left is not ended, trying again", "standby", replica.Instance, "error", err.Error())
			} else {
				last.ended = true
				m.log.Info("ended the connection that a standby has left", "standby", replica.Instance, "silent", now.Sub(last.seen).String())
			}
		}
		replies[replica.Walsender] = last
	}
	m.leading.replies = replies
}

// keepSlots makes a slot for every other instance of the configuration, drops those of instances that are gone, and those that lost what they
// were to keep: such a member has to be cloned again, over a new one.
func (m *Manager) keepSlots(ctx context.Context) error {
	configuration, known := m.configuration.inForce()
	if !known {
		return nil
	}
	slots, err := m.sql.Slots(ctx)
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, instance := range configuration.Instances {
		if instance != m.options.Instance {
			wanted[naming.Slot(instance)] = true
		}
	}
	for name, slot := range slots {
		if slot.Active || (wanted[name] && !slot.Lost) {
			continue
		}
		if err := m.sql.DropSlot(ctx, name); err != nil {
			return err
		}
		m.log.Info("replication slot dropped", "slot", name, "lost", slot.Lost)
		delete(slots, name)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, exists := slots[name]; exists {
			continue
		}
		if err := m.sql.CreateSlot(ctx, name); err != nil {
			return err
		}
		m.log.Info("replication slot created", "slot", name)
	}
	return nil
}
