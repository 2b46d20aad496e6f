package instance

import (
	"context"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/metrics"
	"github.com/timonier-io/timonier/internal/kubeapi"
	"github.com/timonier-io/timonier/internal/naming"
)

const (
	// renewEvery is the one write that an idle leader makes.
	renewEvery = 3 * time.Second
	// leaseSeconds is how long a leader that renews no more counts as alive, where nothing says otherwise.
	leaseSeconds = 10
	// rereadEvery bounds how long a watch that broke silently goes unnoticed.
	rereadEvery = 10 * time.Second
	// rereadSoonest is the least time between two reads that nothing asked for, and askedSoonest between two that a step asked for.
	rereadSoonest = 500 * time.Millisecond
	askedSoonest  = 50 * time.Millisecond
)

// leaseView is the Lease as this instance last saw it.
type leaseView struct {
	object   kubeapi.Lease
	record   election.Record
	readable bool
	exists   bool
	edited   bool
	// absent: the API server says that there is none now. What was read last counts then, as where it does not answer.
	absent bool
	readAt time.Time
	// since is when it was first read as it is: this version of the object.
	since time.Time
	// asked is when the read that brought it was sent, zero for one that the watch brought: no decision may hang on that.
	asked time.Time
	// doubtful: it must be read again before anything hangs on it: somebody else wrote it, or a write's fate is unknown.
	doubtful bool
}

// leaseCall is a read or a write that is under way. There is one at most, beside the loop: an API server that hangs must not
// keep anything else from being done.
type leaseCall struct {
	sent time.Time
	// record that is written, nil with a read, over a revision.
	record *election.Record
	over   int64
	answer chan leaseAnswer
}

// refusal of a write that nobody else forestalled, as by an API server that does not know of this instance's rights: at once it would be refused again.
type refusal struct {
	at  time.Time
	err error
}

type leaseAnswer struct {
	object kubeapi.Lease
	err    error
}

func viewOf(object kubeapi.Lease) leaseView {
	record, err := election.Decode(election.Fields{
		HolderIdentity: object.Holder, LeaseTransitions: object.Transitions, LeaseDurationSeconds: object.DurationSeconds,
		RenewTime: object.RenewTime, Annotations: object.Annotations,
	})
	return leaseView{object: object, record: record, readable: true, exists: true, edited: err != nil, readAt: time.Now()}
}

// firstPatience is how long a program that has just started waits for the API server before it goes by what the one before it knew.
const firstPatience = time.Second

// observeLease makes sure that what is known of the Lease is good enough for a decision. It tells whether the API server has ever said anything, or is silent.
func (m *Manager) observeLease() (known bool) {
	m.takeAnswer()
	m.takeWatched()
	if m.leaseCall == nil && m.leaseIsStale() {
		m.readLease()
	}
	return !m.lease.readAt.IsZero() || m.leaseCall != nil && time.Since(m.leaseCall.sent) > firstPatience
}

func (m *Manager) leaseIsStale() bool {
	age := time.Since(m.lease.readAt)
	switch {
	case age < rereadSoonest && !m.lease.doubtful:
		return false
	case !m.lease.readable:
		return time.Since(m.apiFailed) >= rereadSoonest
	case m.lease.doubtful, !m.lease.exists, age >= rereadEvery:
		return true
	}
	// A leader's own writes, and for a follower the watch, tell enough.
	return !m.process.running() || !m.process.primary && !m.following.settled
}

// readLease asks the API server for the Lease, unless something is under way.
func (m *Manager) readLease() {
	if m.leaseCall != nil {
		return
	}
	m.call(nil, func(ctx context.Context) (kubeapi.Lease, error) {
		return m.leases.Get(ctx, naming.Lease(m.options.Cluster))
	})
}

// askLease reads it again because a step says so.
func (m *Manager) askLease() {
	pause := askedSoonest
	if m.lease.absent {
		pause = rereadSoonest // nothing can be done before somebody makes it
	}
	if time.Since(m.lease.asked) >= pause && time.Since(m.apiFailed) >= pause {
		m.readLease()
	}
}

// writeRecord updates the Lease under the version that was read last. Where it fails the Lease is read again before anything else. A refusal is told until
// another answer has come.
func (m *Manager) writeRecord(record election.Record) error {
	if m.leaseCall != nil || m.lease.doubtful || !m.lease.readable {
		m.askLease()
		return m.refusal.err
	}
	if time.Since(m.refusal.at) < rereadSoonest {
		return m.refusal.err
	}
	if err := m.rememberMembers(record); err != nil {
		return err
	}
	object, err := encoded(m.lease.object, record, m.configuredLease())
	if err != nil {
		return err
	}
	m.stands(record)
	m.options.Step("lease: write")
	m.call(&record, func(ctx context.Context) (kubeapi.Lease, error) { return m.leases.Update(ctx, object) })
	return m.refusal.err
}

func (m *Manager) call(record *election.Record, do func(context.Context) (kubeapi.Lease, error)) {
	call := &leaseCall{sent: time.Now(), record: record, over: m.lease.record.Revision, answer: make(chan leaseAnswer, 1)}
	verb := metrics.CallGet
	if record != nil {
		verb = metrics.CallUpdate
	}
	m.leaseCall = call
	go func() {
		object, err := do(context.Background()) // the client has a time limit of its own
		m.measures.LeaseCalls.Observe(time.Since(call.sent), verb)
		if err == nil && record != nil && record.Holder == m.options.Instance {
			m.acceptedAt.Store(int64(call.sent.Sub(m.startedAt))) // the watchdog has to know, whenever the loop looks
		}
		call.answer <- leaseAnswer{object, err}
		m.wake()
	}()
}

// takeAnswer looks whether the call that is under way has been answered.
func (m *Manager) takeAnswer() {
	call := m.leaseCall
	if call == nil {
		return
	}
	select {
	case answer := <-call.answer:
		m.leaseCall, m.turnedAway = nil, kubeapi.TurnedAway(answer.err)
		if call.record == nil {
			m.tookRead(call, answer)
		} else {
			m.tookWrite(call, answer)
		}
	default:
	}
}

func (m *Manager) tookRead(call *leaseCall, answer leaseAnswer) {
	if answer.err == nil || kubeapi.IsNotFound(answer.err) {
		m.apiAnswered = time.Now()
	}
	if answer.err != nil {
		m.readNothing(answer.err)
		return
	}
	view := viewOf(answer.object)
	view.asked = call.sent
	m.adoptView(view)
}

// noLease tells people that it is the operator's turn.
const noLease = "the Lease does not exist; going on by what was read of it last, until the operator has made it again"

// readNothing of the Lease: there is none, or nobody knows. It is gone on by what was read last. Until there is one again nobody can be elected, so that this
// is no less safe than where the API server is silent.
func (m *Manager) readNothing(why error) {
	absent, first := kubeapi.IsNotFound(why), m.lease.readable || m.lease.readAt.IsZero()
	switch {
	case absent && !m.lease.absent:
		m.log.Warn(noLease)
	case !absent && (first || m.lease.absent):
		m.log.Warn("the Lease cannot be read", "error", why.Error())
	}
	m.apiFailed = time.Now()
	m.lease.readable, m.lease.absent, m.lease.readAt = false, absent, time.Now()
}

func (m *Manager) tookWrite(call *leaseCall, answer leaseAnswer) {
	if answer.err == nil || kubeapi.Refused(answer.err) {
		m.apiAnswered = time.Now()
	}
	m.refusal = refusal{}
	switch {
	case answer.err == nil:
		m.measures.LeaseWrites.Add(metrics.Succeeded)
		view := viewOf(answer.object)
		view.asked = call.sent
		m.wrote(*call.record)
		m.adoptView(view)
		return
	case !kubeapi.Refused(answer.err):
		// It may have been done, or may be yet: that is known once a newer revision is read.
		m.unsettled = max(m.unsettled, call.over)
		if led := m.leading.record; led != nil && !call.record.Quorum.Equal(led.Quorum) {
			m.unsettledQuorum = max(m.unsettledQuorum, call.over)
		}
		m.apiFailed = time.Now()
	case !kubeapi.IsConflict(answer.err):
		m.refusal = refusal{time.Now(), answer.err}
	}
	outcome := metrics.Failed
	if kubeapi.IsConflict(answer.err) {
		outcome = metrics.Conflict
	}
	m.measures.LeaseWrites.Add(outcome)
	m.lease.doubtful = true
	m.hold("writing the Lease", answer.err)
}

// apiPatience is how long a leader lets an answer keep it from what needs no API, and apiPause how long it does so once there was none.
const (
	apiPatience = 200 * time.Millisecond
	apiPause    = time.Second
)

// apiSilent tells that the API server does not answer, or refuses what is written, and that it is not time yet to try again.
func (m *Manager) apiSilent() bool {
	hangs := m.leaseCall != nil && time.Since(m.leaseCall.sent) > apiPatience
	return hangs || m.lease.absent || time.Since(m.apiFailed) < apiPause || time.Since(m.refusal.at) < apiPause
}

// cutOff tells that for a lease duration neither the API server has answered, nor were as many members heard as a commit waits for.
func (m *Manager) cutOff(record election.Record) bool {
	switch {
	case m.hearsEnough(record):
		m.cutOffSince = time.Time{}
		return false
	case m.cutOffSince.IsZero():
		m.cutOffSince = time.Now()
	}
	return time.Since(m.cutOffSince) > m.leaseDuration() && time.Since(m.apiAnswered) > m.leaseDuration()
}

// hearsEnough members for a commit.
func (m *Manager) hearsEnough(record election.Record) bool {
	heard := 1
	for incarnation, name := range record.Quorum.Members {
		if beat, _ := m.peers.Beat(name); incarnation != m.contents.Identity.Incarnation && beat.Incarnation == incarnation && m.fresh(beat) {
			heard++
		}
	}
	return heard >= record.Quorum.Required
}

// settled tells that the fate of everything that this instance ever sent is known.
func (m *Manager) settled() bool {
	writing := m.leaseCall != nil && m.leaseCall.record != nil
	return !writing && m.unsettled != neverRead && m.lease.record.Revision > m.unsettled
}

// neverRead stands for the revision over which the program before this one may have sent something.
const neverRead = -1

// adoptView takes a state of the Lease over, and writes down what must not be forgotten of it.
func (m *Manager) adoptView(view leaseView) {
	replaced := m.replacedBy(view) // before what is known of the former leader is void
	if m.counts(view) {
		m.measureLease(view.record)
		if before := m.lease.record; before.Holder != view.record.Holder || before.Term != view.record.Term {
			m.leaderChanged(view.record)
		}
	}
	if m.lease.record.Revision != view.record.Revision {
		m.revisionSince = view.readAt
		if !view.asked.IsZero() && m.lease.record.Revision != 0 && view.record.Holder == m.options.Instance {
			m.revisionSince = view.asked // it may have been in force from then on
		}
	}
	view.since = view.readAt
	if m.lease.exists && m.lease.object.ResourceVersion == view.object.ResourceVersion {
		view.since = m.lease.since
	}
	m.lease = view
	if view.edited {
		return
	}
	if replaced {
		// Before it is written down, which on a volume that takes no writes comes to no end.
		m.stopReplaced(view.record)
		m.publish()
	}
	m.publishLed() // what is written down now may come to no end
	if m.unsettled == neverRead && !view.asked.IsZero() {
		m.unsettled, m.unsettledQuorum = view.record.Revision, view.record.Revision
	}
	m.see(view.record)
}

// replacedBy tells whether this primary learns by a state of the Lease that somebody else leads. One that hands over and stops already does so in its own order.
func (m *Manager) replacedBy(view leaseView) bool {
	record, identity := view.record, &m.contents.Identity
	return m.process.primary && m.process.running() && (m.handing == nil || !m.handing.asked) && m.counts(view) && record.System == identity.System && record.Term > m.lease.record.Term &&
		record.Holder != "" && (record.Holder != m.options.Instance || record.HolderIncarnation != identity.Incarnation)
}

// counts tells whether a state of the Lease says who leads. One that was edited by hand, emptied or restored from an earlier time does not: a leader that
// took it at its word would forget that it leads, and could not write its own again.
func (m *Manager) counts(view leaseView) bool {
	return !view.edited && view.record.Revision >= m.highest
}

// addressed fills in what the writer of a record knows.
func (m *Manager) addressed(record election.Record) election.Record {
	record = record.Copy()
	if record.Holder == m.options.Instance {
		record.Address = m.options.PodIP
		if opened := m.leading.openedAt; record.LastFailover != nil && record.LastFailover.OpenedAt.IsZero() && !opened.IsZero() {
			record.LastFailover.OpenedAt = opened.UTC().Truncate(time.Millisecond)
		}
	}
	if o := m.process.observation; o != nil && m.process.primary {
		record.Position = m.position().String()
	}
	return record
}

// encoded is the object that was read with another record.
func encoded(object kubeapi.Lease, record election.Record, lasts time.Duration) (kubeapi.Lease, error) {
	now, seconds := time.Now().UTC().Truncate(time.Microsecond), int64(lasts/time.Second)
	if object.Holder != record.Holder || object.Transitions != record.Term {
		object.AcquireTime = now
	}
	fields, err := election.Encode(record, election.Fields{
		LeaseDurationSeconds: seconds, RenewTime: now, Annotations: object.Annotations,
	})
	if err != nil {
		return kubeapi.Lease{}, err
	}
	object.Holder, object.Transitions, object.DurationSeconds = fields.HolderIdentity, fields.LeaseTransitions, seconds
	object.RenewTime, object.Annotations = now, fields.Annotations
	return object, nil
}
