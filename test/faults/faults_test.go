//go:build faults

package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
)

// lastsAtMost is enough to outlast the lease, of ten seconds, and the look a second later; `make bench-ha` and `make soak` have each fault last as long as the
// table says.
const lastsAtMost = 12 * time.Second

// steady is how long each hardship lasts.
var steady = flag.Duration("steady", 10*time.Second, "how long each of what must not make anybody fail over lasts")

// kubernetes under test.
var kubernetes *Kubernetes

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	if kubernetes, err = Connect("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestFaults makes each fault once, on one cluster.
func TestFaults(t *testing.T) {
	all, err := kubernetes.Possible(t.Context(), slices.Concat([]Fault{Undisturbed(5 * time.Second)}, Singles(), Orphans(), Interrupted(), Doubles()))
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(f Fault) bool { // TestHardships makes it
		return slices.ContainsFunc(Hardships(0), func(hardship Fault) bool { return hardship.Name == f.Name })
	})
	for i := range all {
		all[i].Lasts = min(all[i].Lasts, lastsAtMost)
	}
	how := DefaultTrial()
	how.WritesBeside = false // a primary that was written to has to be rewound: that is left to soak, and to the shapes below
	tryAll(t, &Bed{Kubernetes: kubernetes, Namespace: "faults", Cluster: "broken"}, all, how)
}

// TestFaultsOfTwoInstances makes faults on a cluster of two, whose primary may go on alone and then alone has what was acknowledged.
func TestFaultsOfTwoInstances(t *testing.T) {
	tryAll(t, &Bed{Kubernetes: kubernetes, Namespace: "faults-of-two", Cluster: "pair", Edits: Pair()}, OfPair(), DefaultTrial())
}

// TestFaultsOfAnAsynchronousCluster makes faults where commits wait for nobody: something may be missing then, and promise.go says what.
func TestFaultsOfAnAsynchronousCluster(t *testing.T) {
	bed := &Bed{Kubernetes: kubernetes, Namespace: "faults-asynchronous", Cluster: "hasty", Edits: Asynchronous()}
	tryAll(t, bed, OfAsynchronous(), DefaultTrial())
}

// TestHardships makes life hard for a cluster, which is no reason for another leader.
func TestHardships(t *testing.T) {
	bed := &Bed{Kubernetes: kubernetes, Namespace: "hardships", Cluster: "narrow", Edits: Narrowed()}
	tryAll(t, bed, Hardships(*steady), PatientTrial())
}

// momentsTried is how often a fault is made that is to hit a moment of a few tenths of a second: where the machine is busy it comes too late. What comes of
// it is checked each time.
const momentsTried = 3

// tryAll faults on one cluster, one after the other. After one that did not go well it is made anew.
func tryAll(t *testing.T, bed *Bed, all []Fault, trial Trial) {
	t.Helper()
	made := false
	t.Cleanup(func() {
		if err := bed.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var unmade error
	for _, fault := range all {
		t.Run(fault.Name, func(t *testing.T) {
			if !made {
				if unmade = bed.Make(t.Context()); unmade != nil {
					t.Fatal(bed.Diagnosis(t.Context()))
				}
				made = true
			}
			how := trial
			if fault.RefusesNothing {
				// An answer may come late where the machine is busy, as with images and pods at the beginning, and none may fail.
				how = PatientTrial()
			}
			result, err := bed.Try(t.Context(), fault, how)
			for tried := 1; err == nil && result.Missed && tried < momentsTried; tried++ {
				t.Log(result)
				result, err = bed.Try(t.Context(), fault, how)
			}
			t.Log(result)
			t.Logf("meter: %+v", result.Figures.Meter)
			if result.Missed {
				t.Errorf("the moment was missed %d times", momentsTried)
			}
			if mode, _ := bed.quorum(); mode == election.ModeAsynchronous && fault.ReadsOn && result.Conceded == 0 {
				t.Error("a primary that is cut off acknowledged nothing: that it stops in time shows nothing")
			}
			if err != nil {
				made = false
				t.Errorf("%v\n%s", err, bed.Diagnosis(context.Background()))
			}
		})
		if unmade != nil {
			t.Fatalf("there is no cluster to be broken: %v", unmade)
		}
	}
}
