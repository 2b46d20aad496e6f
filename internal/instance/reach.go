package instance

import (
	"maps"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// joinableLag is how far behind, in time, a standby may be for commits to be made to wait for it. A leader looks once a second
// where nothing happens, and standbys reply as often: what is measured may be two seconds old.
const (
	joinableLag = time.Second
	slack       = 2 * time.Second
)

// reach follows how far behind its standbys are, in time: whether they have what the leader had flushed a while ago.
type reach struct {
	samples  []flushSample
	standbys map[string]*reached
}

// flushSample is how much of the leader's WAL was on disk at a time.
type flushSample struct {
	at      time.Time
	flushed postgres.LSN
}

type reached struct {
	instance string
	// repliedAt by the standby's clock, and when it was seen to change.
	repliedAt, heard time.Time
	// upTo is the latest time of which it has everything.
	upTo time.Time
	// streaming now; one that has just connected again is not lost.
	streaming bool
}

// samplesKept bounds memory; at one look every 50 ms it reaches back ten seconds.
const samplesKept = 200

// forgottenAfter is when a standby that was lost is not remembered any more.
const forgottenAfter = time.Hour

func (r *reach) forget() { *r = reach{} }

// note what a leader sees of its standbys, of those that attached in this term.
func (r *reach) note(now time.Time, flushed postgres.LSN, term int64, replicas []server.Replica) {
	r.samples = append(r.samples, flushSample{now, flushed})
	r.samples = r.samples[max(0, len(r.samples)-samplesKept):]
	if r.standbys == nil {
		r.standbys = map[string]*reached{}
	}
	for _, standby := range r.standbys {
		standby.streaming = false
	}
	for _, replica := range replicas {
		if !replica.Streaming() || replica.Term != term {
			continue
		}
		standby := r.standbys[replica.Incarnation]
		if standby == nil {
			standby = &reached{instance: replica.Instance}
			r.standbys[replica.Incarnation] = standby
		}
		standby.streaming = true
		if !replica.RepliedAt.Equal(standby.repliedAt) {
			standby.repliedAt, standby.heard = replica.RepliedAt, now
		}
		for _, sample := range r.samples {
			if sample.flushed <= replica.Flushed && sample.at.After(standby.upTo) {
				standby.upTo = sample.at
			}
		}
	}
	maps.DeleteFunc(r.standbys, func(_ string, standby *reached) bool { return standby.behind(now) > forgottenAfter })
}

// behind is how old a standby's copy is, or its last reply.
func (s *reached) behind(now time.Time) time.Duration {
	return max(now.Sub(s.upTo), now.Sub(s.heard))
}

// currentAt is, for each standby that is remembered, the latest time of which it is known to have everything; of an instance that was cloned again, the
// copy that is nearest.
func (r *reach) currentAt() map[string]time.Time {
	current := map[string]time.Time{}
	for _, standby := range r.standbys {
		at := standby.upTo
		if standby.heard.Before(at) {
			at = standby.heard
		}
		if at.After(current[standby.instance]) {
			current[standby.instance] = at
		}
	}
	return current
}

// wanted is the quorum that this leader wants by what it sees.
func (r *reach) wanted(now time.Time, incarnation, self string, configuration instanceapi.Configuration, published election.Quorum) election.Quorum {
	asked := configuration.Availability
	detection := time.Duration(asked.FailureDetectionSeconds) * time.Second
	followers := map[string]election.Follower{}
	for id, standby := range r.standbys {
		behind := standby.behind(now)
		followers[id] = election.Follower{
			Instance: standby.instance, Reachable: behind <= detection+slack, Joinable: standby.streaming && behind <= joinableLag+slack,
		}
	}
	return election.Wanted(published, self, incarnation, election.Availability{
		Mode: election.Mode(asked.Mode), SynchronousStandbys: asked.SynchronousStandbys,
		Preferred: asked.Durability == instanceapi.DurabilityPreferred, Instances: configuration.Instances,
	}, followers)
}
