package instance

import (
	"context"
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
}

// jobPause after a job that failed, so that a leader that is not ready yet is not asked in vain all the time.
const jobPause = 300 * time.Millisecond

// begin starts a job. It ends with the instance manager, never with a turn.
func (m *Manager) begin(name string, state instanceapi.State, message string, work func(ctx context.Context) error) {
	j := &job{name: name, state: state, message: message, started: time.Now(), done: make(chan error, 1)}
	if m.failed[name] != "" {
		j.message = message + "; the last attempt failed: " + m.failed[name]
	}
	m.awaitSaved() // the volumes are the job's from here on
	m.job = j
	m.log.Info("begun", "job", name, "message", message)
	go func() {
		err := work(context.Background())
		if err != nil {
			time.Sleep(jobPause)
		}
		j.done <- err
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
			m.problem, m.failed[m.job.name] = err.Error(), err.Error()
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
