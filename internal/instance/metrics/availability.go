package metrics

import "github.com/timonier-io/timonier/internal/election"

// Words of labels.
const (
	Won  = "won"
	Lost = "lost"
	// Void: the leader of before goes on.
	Void = "void"

	Passed  = "passed"
	Taken   = "taken"
	GivenUp = "given_up"

	Done   = "done"
	Failed = "failed"

	Succeeded = "succeeded"
	Conflict  = "conflict"

	ByRequest     = "user_request"
	ByTermination = "termination"

	ProbeError   = "error"
	ProbeStalled = "stalled"

	CallGet    = "get"
	CallUpdate = "update"

	// StalledWritePath and HangingServer are fencing stops that no rule of the election says, LeaseEnded that of a rule which the watchdog sees to, too.
	StalledWritePath = "write_path_stalled"
	HangingServer    = "server_hangs"
	LeaseEnded       = "asynchronous_leader_stops_when_its_lease_ends"
)

// Availability counts and times what this instance does for high availability, since its program started.
type Availability struct {
	Elections, Failovers, Handovers, FencingStops, Votes, LeaseWrites        *Counter
	Rewinds, Clones, CancelledWaits, WriteProbeFailures                      *Counter
	SuspicionToLease, LeaseToOpen, Takeover, HandoverRelease, HandoverToOpen *Histogram
	WriteProbe, LeaseCalls                                                   *Histogram
}

// takeoverBuckets are around what is promised: writes are back within seconds.
func takeoverBuckets() []float64 {
	return []float64{0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 10, 15, 30, 60, 300}
}

// callBuckets have the bounds at which a leader goes on without the API (0.2 s) and gives a probe up (7 s).
func callBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 7, 10}
}

// NewAvailability that has seen nothing yet.
func NewAvailability() *Availability {
	takeover, call := takeoverBuckets(), callBuckets()
	causes := []string{election.CauseReleased, election.CauseDown, election.CauseUnreachable, election.CauseSilent}
	return &Availability{
		Elections: newCounter("elections_total", "Elections in which this instance voted or stood, by why it did, and by how they ended for it: won, lost (somebody else leads), void (the leader goes on).",
			[]string{"cause", "outcome"}, pairs(causes, Won, Lost, Void)...),
		Failovers: newCounter("failovers_total", "Takeovers by this instance without a handover that were brought to their end, which is that clients are let in; by cause.",
			[]string{"cause"}, pairs(causes)...),
		Handovers: newCounter("handovers_total", "Handovers of this instance: passed to another one, taken from another one (once clients are let in), or given_up.",
			[]string{"outcome"}, pairs([]string{Passed, Taken, GivenUp})...),
		FencingStops: newCounter("fencing_stops_total", "Times that this instance stopped its primary at once since it might not lead, by the rule that said so.",
			[]string{"rule"}, pairs([]string{"one_primary_at_a_time", "leader_that_is_cut_off_stops", LeaseEnded, StalledWritePath, HangingServer})...),
		Votes: newCounter("votes_total", "Votes that this instance has cast.", nil),
		LeaseWrites: newCounter("lease_writes_total", "Updates of the Lease by this instance: succeeded, conflict (somebody else was first), or failed, which includes those whose fate is not known.",
			[]string{"outcome"}, pairs([]string{Succeeded, Conflict, Failed})...),
		Rewinds: newCounter("rewinds_total", "Rewinds of this instance's data.", []string{"outcome"}, pairs([]string{Done, Failed})...),
		Clones:  newCounter("clones_total", "Clones that this instance took of the leader's data.", []string{"outcome"}, pairs([]string{Done, Failed})...),
		CancelledWaits: newCounter("commit_waits_cancelled_total", "Commits that did not wait for their standbys to the end, by why: such a commit may be lost by a failover, although it was returned.",
			[]string{"cause"}, pairs([]string{ByRequest, ByTermination})...),
		WriteProbeFailures: newCounter("write_probe_failures_total", "Probes of the volumes' write path that failed, by how: an error, or no answer within 7 s.",
			[]string{"cause"}, pairs([]string{ProbeError, ProbeStalled})...),

		SuspicionToLease: newHistogram("takeover_lease_seconds", "Time from the suspicion that the leader is gone until this instance held the Lease.", takeover, nil),
		LeaseToOpen:      newHistogram("takeover_open_seconds", "Time from holding the Lease until this instance let clients in, of failovers.", takeover, nil),
		Takeover:         newHistogram("takeover_seconds", "Time from the suspicion that the leader is gone until this instance let clients in.", takeover, nil),
		HandoverRelease:  newHistogram("handover_release_seconds", "Time from when this leader was asked to hand over until it had passed the Lease.", takeover, nil),
		HandoverToOpen:   newHistogram("handover_seconds", "Time from when this leader was asked to hand over until it read that its successor has let clients in.", takeover, nil),
		WriteProbe:       newHistogram("write_probe_seconds", "How long a small write to a volume took to be flushed, on the leader.", call, []string{"volume"}),
		LeaseCalls: newHistogram("lease_call_seconds", "How long the Kubernetes API took to answer a call about the Lease, or did not answer it.",
			call, []string{"verb"}, pairs([]string{CallGet, CallUpdate})...),
	}
}

// pairs are all combinations of two labels' values, or each first one alone.
func pairs(first []string, second ...string) (all [][]string) {
	for _, a := range first {
		if len(second) == 0 {
			all = append(all, []string{a})
		}
		for _, b := range second {
			all = append(all, []string{a, b})
		}
	}
	return all
}

func (a *Availability) counters() []*Counter {
	return []*Counter{
		a.Elections, a.Failovers, a.Handovers, a.FencingStops, a.Votes, a.LeaseWrites,
		a.Rewinds, a.Clones, a.CancelledWaits, a.WriteProbeFailures,
	}
}

func (a *Availability) histograms() []*Histogram {
	return []*Histogram{
		a.SuspicionToLease, a.LeaseToOpen, a.Takeover, a.HandoverRelease, a.HandoverToOpen, a.WriteProbe, a.LeaseCalls,
	}
}

func (a *Availability) write(e *encoder) {
	for _, c := range a.counters() {
		c.write(e)
	}
	for _, h := range a.histograms() {
		h.write(e)
	}
}
