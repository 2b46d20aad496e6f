package main

import (
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	postgresVersion = "17.6"
	majorVersion    = "17"
	managerVersion  = "scale"
	term            = 1
	timeline        = 1
	// firstPosition in the WAL of a new system, and what is written each second: positions move, as they do where somebody works.
	firstPosition  = 0x3000000
	bytesPerSecond = 64 << 10
)

// position of all clusters at a moment, to the second.
func position(now time.Time) postgres.LSN {
	const epoch = 1767225600 // 2026: counted from 1970 it would not look like one
	return firstPosition + postgres.LSN(max(now.Unix()-epoch, 0))*bytesPerSecond
}

// telling is what all instances say alike.
type telling struct {
	// hash of the instance manager, which is the one that the operator has.
	hash string
	// since when everything runs.
	since     time.Time
	sensitive map[string]int64
}

// status of an instance at rest: the first one leads, all others stream from it.
func (t telling) status(c *cluster, ordinal int, now time.Time) instanceapi.Status {
	c.mutex.Lock()
	revision, report := c.configurations[ordinal].Revision, c.report
	c.mutex.Unlock()
	at, promise := position(now).String(), int64(0)
	leads := ordinal == leader
	status := instanceapi.Status{
		Instance: c.name(ordinal), Cluster: c.key.Name, Namespace: c.key.Namespace, Address: c.address(ordinal),
		State: instanceapi.StateStreaming, Ready: true, Leader: leads,
		Volume: instanceapi.VolumeReport{
			Inspected: true, Initialised: true, EverInitialised: true, SystemIdentifier: c.system(), MajorVersion: majorVersion,
			Incarnation: c.incarnation(ordinal), Revision: 1, Promise: &promise, Term: term, HighestTerm: term, HighestTimeline: timeline,
			Timeline: timeline, Position: at, Members: c.names(),
		},
		Manager: instanceapi.Manager{Version: managerVersion, Hash: t.hash, StartedAt: t.since},
		Postgres: &instanceapi.Postgres{PID: 42, StartedAt: t.since, Version: postgresVersion, InRecovery: !leads, Timeline: timeline,
			Position: at, StandbySensitive: t.sensitive},
		ConfigurationRevision: revision,
		Certificates:          report,
		CancelledWaits:        &instanceapi.CancelledWaits{Since: t.since},
	}
	if !leads {
		status.Postgres.ReplayPosition = at
		return status
	}
	status.State = instanceapi.StateRunning
	status.SynchronousCommitOverrides = &instanceapi.SynchronousCommitOverrides{}
	for other := 1; other <= c.instances; other++ {
		if other != ordinal {
			status.Postgres.Replicas = append(status.Postgres.Replicas, instanceapi.Replica{
				Instance: c.name(other), Incarnation: c.incarnation(other), State: "streaming", Flushed: at, Replayed: at})
		}
	}
	return status
}

// statuses of all instances, as the one tells them that was asked.
func (t telling) statuses(c *cluster, ordinal int, now time.Time) instanceapi.Statuses {
	told := instanceapi.Statuses{Own: t.status(c, ordinal, now)}
	for other := 1; other <= c.instances; other++ {
		if other != ordinal {
			told.Others = append(told.Others, t.status(c, other, now))
		}
	}
	return told
}

func (c *cluster) names() []string {
	names := make([]string, 0, c.instances)
	for ordinal := 1; ordinal <= c.instances; ordinal++ {
		names = append(names, c.name(ordinal))
	}
	return names
}
