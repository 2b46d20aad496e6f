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
)

// lastsAtMost is enough to outlast the lease; `make bench-ha` and `make soak` have each fault last as long as the table says.
const lastsAtMost = 20 * time.Second

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

// undisturbed is no fault: it holds that what is found with the others is their doing.
func undisturbed() Fault {
	return Fault{Name: "undisturbed", KeepsLeader: true, Lasts: 5 * time.Second, Inject: func(context.Context, *Target) error { return nil }}
}

// TestFaults makes each fault once, on one cluster.
func TestFaults(t *testing.T) {
	all, err := kubernetes.Possible(t.Context(), slices.Concat([]Fault{undisturbed()}, Singles(), Orphans(), Interrupted(), Doubles()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Lasts = min(all[i].Lasts, lastsAtMost)
	}
	tryAll(t, &Bed{Kubernetes: kubernetes, Namespace: "faults", Cluster: "broken"}, all, DefaultTrial())
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
	for _, fault := range all {
		if !made {
			if err := bed.Make(t.Context()); err != nil {
				t.Fatalf("there is no cluster to be broken: %v\n%s", err, bed.Diagnosis(t.Context()))
			}
			made = true
		}
		t.Run(fault.Name, func(t *testing.T) {
			how := trial
			if fault.Name == "undisturbed" || fault.RefusesNothing {
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
			if fault.Name == "undisturbed" && result.Errors > 0 {
				t.Errorf("nothing was done, and writes failed: %+v", result.Figures)
			}
			if err != nil {
				made = false
				t.Errorf("%v\n%s", err, bed.Diagnosis(context.Background()))
			}
		})
	}
}
