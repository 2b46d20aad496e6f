package faults

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/test/workload"
)

func TestOnlyWhereAnAsynchronousPrimaryWasReplacedSomethingMayBeMissing(t *testing.T) {
	begin := time.Now()
	clock := func(moment time.Time) time.Duration { return moment.Sub(begin) }
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	before := Leadership{Term: 1, RenewedAt: begin.Add(seconds(4)), Lasts: seconds(6), Quorum: election.Quorum{Mode: election.ModeAsynchronous}}
	quorum := before
	quorum.Quorum.Mode = election.ModeQuorum
	taken := func(term int64, at int, cause string) Leadership {
		return Leadership{Term: term, AcquiredAt: begin.Add(seconds(at)), LastFailover: &election.Failover{Cause: cause}}
	}
	for _, c := range []struct {
		name          string
		before, after Leadership
		want          workload.Concession
		fails         bool
	}{
		{"a quorum", quorum, taken(2, 10, election.CauseSilent), workload.Concession{}, false},
		{"the same term", before, before, workload.Concession{}, false},
		{"a handover", before, taken(2, 5, election.CauseHandover), workload.Concession{}, false},
		{"a lease that ended", before, taken(2, 10, election.CauseSilent), workload.Concession{From: seconds(5) - memberLag, To: seconds(10)}, false},
		{"a lease that lasted", before, taken(2, 9, election.CauseSilent), workload.Concession{From: seconds(5) - memberLag, To: seconds(9)}, true},
		{"two that took over", before, taken(3, 10, election.CauseHandover), workload.Concession{}, true},
	} {
		got, err := conceded(c.before, c.after, seconds(5), clock)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}
