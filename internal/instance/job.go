package instance

import (
	"context"
	"fmt"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// job is work that takes long, beside the loop. While there is one, nothing else is decided: it owns the volumes.
type job struct {
	name    string
	state   instanceapi.State
	message string
	started time.Time
	done    chan error
	// failed runs in the loop once it has failed; may be nil.
	failed func(err error)
	// reason why a person is to look at it, "" for none.
	reason instanceapi.WaitReason
}

// failures of a job in a row.
type failures struct {
	count int
	last  string
	// at is when the last one was.
	at time.Time
}

const (
	// jobPause after a job that failed, so that a leader that is not ready yet is not asked in vain all the time; after briefFailures twice as long each time.
	jobPause      = 300 * time.Millisecond
	jobPauses     = time.Minute
	briefFailures = 3
	// tellsFailed is after how many failures in a row a person is told: by then it has not been a leader that was not ready.
	tellsFailed = 8
)

// pause before the next attempt.
func (f failures) pause() time.Duration {
	if f.count == 0 {
		return 0
	}
	const doublings = 8 // beyond them it is more than the most
	return min(jobPause<<min(max(f.count-briefFailures, 0), doublings), jobPauses)
}

// reason for a person to look at a job, "" for none.
func (f failures) reason(job string) instanceapi.WaitReason {
	switch {
	case f.count < tellsFailed:
		return ""
	case job == initJob:
		return instanceapi.WaitInitialise
	}
	return instanceapi.WaitFollow
}

func (f failures) String() string {
	if f.count == 1 {
		return "the last attempt failed: " + f.last
	}
	return fmt.Sprintf("the last %d attempts failed, it is tried each %s: %s", f.count, f.pause(), f.last)
}

// pauses tells that a job has failed and is not tried yet. That is waited for, and meanwhile all else is decided.
func (m *Manager) pauses(name string) bool {
	f := m.failed[name]
	if time.Since(f.at) >= f.pause() {
		return false
	}
	m.step = waiting(f.reason(name), f.String())
	if m.step.WaitReason == "" && name != initJob {
		m.step.WaitReason = instanceapi.WaitLeader
	}
	return true
}

// begin starts a job. It ends with the instance manager, never with a turn.
func (m *Manager) begin(name string, state instanceapi.State, message string, work func(ctx context.Context) error) {
	j := &job{name: name, state: state, message: message, started: time.Now(), done: make(chan error, 1)}
	if f := m.failed[name]; f.count > 0 {
		j.message, j.reason = message+"; "+f.String(), f.reason(name)
	}
	m.awaitSaved() // the volumes are the job's from here on
	m.job = j
	m.log.Info("begun", "job", name, "message", message)
	go func() {
		j.done <- work(context.Background())
		m.wake()
	}()
}

// noticeJob looks whether the job has come to its end.
func (m *Manager) noticeJob() {
	if m.job == nil {
		return
	}
	select {
	case err := <-m.job.done:
		m.countJob(m.job.name, err)
		taken := time.Since(m.job.started).Milliseconds()
		if err != nil {
			m.log.Warn("failed, trying again", "job", m.job.name, "afterMilliseconds", taken, "error", err.Error())
			m.problem = err.Error()
			m.failed[m.job.name] = failures{m.failed[m.job.name].count + 1, err.Error(), time.Now()}
		} else {
			delete(m.failed, m.job.name)
			m.log.Info("done", "job", m.job.name, "afterMilliseconds", taken)
		}
		if err != nil && m.job.failed != nil {
			m.job.failed(err)
		}
		m.job, m.inspected = nil, false
		m.lease.doubtful = true
	default:
	}
}
