package election

import (
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// Observation is all that a decision is made from.
type Observation struct {
	// Cluster and Self: the cluster's name and the name of the instance that decides.
	Cluster, Self string
	// Lease as it was read.
	Lease Lease
	// Own volume of this instance.
	Own Volume
	// Unfinished is the system identifier of a data directory that initdb or a clone has finished and that is not
	// in its place yet; "" for none.
	Unfinished string
	// UnfinishedClone: that directory was cloned, under the incarnation in Own.
	UnfinishedClone bool
	// Running is what postgres does here now.
	Running Running
	// Member is what a member's next step is decided from; its Lease is set by Decide.
	Member Member
	// Led is the Record that this instance wrote last, nil unless it leads.
	Led *Record
	// LedUnsettled: another quorum than Led's may be published, by an update whose fate is not known. LedExpired: a lease duration has passed since Led was written, by this clock.
	LedUnsettled, LedExpired bool
	// Instances of the configuration: those that have, or are about to have, a volume. Nil where no configuration is known.
	Instances []string
	// Peers that answered, by name.
	Peers map[string]Peer
}

// Lease as it was read.
type Lease struct {
	// Readable: the API answered. Otherwise Record is what was read last, if anything was.
	Readable bool
	// Exists: there is such a Lease.
	Exists bool
	// Edited: its content cannot be trusted; Record is zero then.
	Edited bool
	Record Record
}

// Running is what postgres does.
type Running int

// What postgres can be doing.
const (
	NotRunning Running = iota
	RunningAsStandby
	RunningAsPrimary
)

// Volume tells what an instance's volumes hold. See instanceapi.VolumeReport, which carries it.
type Volume struct {
	Initialised     bool
	EverInitialised bool
	System          string
	Incarnation     string
	Revision        int64
	Promise         int64
	PromiseKnown    bool // false from an instance of a former version
	Term            int64
	HighestTerm     int64
	HighestTimeline int64
	Timeline        int64
	Position        postgres.LSN
	PositionKnown   bool
	Members         []string
}

// reaches is how far its recovery comes; right only where PositionKnown.
func (v Volume) reaches() Position { return Position{Term: v.Term, At: v.Position} }

// Peer is what another instance told of itself.
type Peer struct {
	Volume Volume
	// Leads: it serves as primary.
	Leads bool
	// Since: it was asked after the Lease was first read as it is.
	Since bool
}

// VolumeOf reads a report. A position that cannot be read counts as unknown.
func VolumeOf(report instanceapi.VolumeReport) Volume {
	position, err := postgres.ParseLSN(report.Position)
	volume := Volume{
		Initialised: report.Initialised, EverInitialised: report.EverInitialised,
		System: report.SystemIdentifier, Incarnation: report.Incarnation,
		Revision: report.Revision, Term: report.Term, HighestTerm: report.HighestTerm,
		HighestTimeline: report.HighestTimeline, Timeline: report.Timeline,
		Position: position, PositionKnown: report.PositionKnown && err == nil,
		Members: report.Members,
	}
	if report.Promise != nil {
		volume.Promise, volume.PromiseKnown = *report.Promise, true
	}
	return volume
}
