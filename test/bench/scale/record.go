package main

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// Record is what bench/scale.json holds: every measurement, the oldest first.
type Record struct {
	Measurements []Measurement `json:"measurements"`
}

// Measurement is one start of the operator, and all runs with it.
type Measurement struct {
	// Where has the commit, and the machine with its load before and after.
	figures.Where
	Settings Settings `json:"settings"`
	Creation Creation `json:"creation"`
	// Rest is what was seen while nobody changed anything.
	Rest Period `json:"rest"`
	Runs []Run  `json:"runs,omitempty"`
	// Outage of the API after all runs; nil where there was none.
	Outage *Outage `json:"outage,omitempty"`
	// BytesPerCluster is what the operator holds at rest for each cluster.
	BytesPerCluster float64 `json:"bytesPerCluster"`
	// Verdicts on what is promised, once all is measured.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Settings by which it was measured.
type Settings struct {
	// Operator is what the program says of its version.
	Operator    string `json:"operator"`
	Clusters    int    `json:"clusters"`
	Instances   int    `json:"instances"`
	PerSpace    int    `json:"perNamespace"`
	Workers     int    `json:"workers"`
	MemoryLimit string `json:"memoryLimit"`
	// Rate is how many specs were to be changed each second, for that long.
	Rate          float64 `json:"rate"`
	DuringSeconds float64 `json:"duringSeconds"`
	RestSeconds   float64 `json:"restSeconds"`
	Poison        float64 `json:"poison"`
	PoisonBy      string  `json:"poisonBy,omitempty"`
	Seed          uint64  `json:"seed"`
}

// Creation is from the first cluster that was asked for until all were ready.
type Creation struct {
	// RSSBefore is what the operator held without any cluster, VmRSS in KiB.
	RSSBefore int `json:"rssBefore"`
	Period
}

// String is what is told while it is measured.
func (c Creation) String() string { return "all clusters are ready: " + c.Period.String() }

// Run is one run of changes.
type Run struct {
	Pair     int  `json:"pair"`
	Poisoned bool `json:"poisoned"`
	// Load averages at its beginning.
	Load    string  `json:"load"`
	Changes Changes `json:"changes"`
	// Entries into quarantine from the poisoning, or from the run's beginning, until its end.
	Entries Entries `json:"entries"`
	Period
}

// Changes are what became of the changes of a run.
type Changes struct {
	// Made were taken by the API, Refused were not, and Withheld were not tried, since no cluster was ready and free.
	Made     int `json:"made"`
	Refused  int `json:"refused"`
	Withheld int `json:"withheld"`
	// Open had not reached all instances a minute after the last one: they count with the time until then.
	Open int `json:"open"`
	// Median and P99 from the API's answer until all instances had the configuration, and until the first one had it, in milliseconds.
	Median      float64 `json:"median"`
	P99         float64 `json:"p99"`
	FirstMedian float64 `json:"firstMedian"`
	FirstP99    float64 `json:"firstP99"`
	// Milliseconds of each, until all had it, and First until the first one had.
	Milliseconds []float64 `json:"milliseconds"`
	First        []float64 `json:"first"`
	// StateWrites of the clusters that were changed, MostPerChange of one of them, divided by its changes; Unasked are those of
	// the others, which nobody changed.
	StateWrites   int     `json:"stateWrites"`
	MostPerChange float64 `json:"mostPerChange"`
	Unasked       int     `json:"unasked"`
	// MostOfPoisoned is how many states were written of one poisoned cluster: that it fails, and that it is in quarantine.
	MostOfPoisoned int `json:"mostOfPoisoned"`
}

// summed up from what was counted, of which these clusters were poisoned.
func summed(made tally, states written, spoiled []*cluster) Changes {
	poisoned := map[types.NamespacedName]bool{}
	for _, c := range spoiled {
		poisoned[c.key] = true
	}
	changes := Changes{Refused: made.refused, Withheld: made.withheld, Open: len(made.open)}
	for _, spans := range made.applied {
		changes.Milliseconds = append(changes.Milliseconds, milliseconds(spans.all))
		changes.First = append(changes.First, milliseconds(spans.first))
	}
	for _, waited := range made.open {
		changes.Milliseconds = append(changes.Milliseconds, milliseconds(waited))
	}
	changes.Median, changes.P99 = figures.Median(changes.Milliseconds), percentile(changes.Milliseconds, 0.99)
	changes.FirstMedian, changes.FirstP99 = figures.Median(changes.First), percentile(changes.First, 0.99)
	for key, count := range states.states {
		if poisoned[key] {
			changes.MostOfPoisoned = max(changes.MostOfPoisoned, count)
			continue
		}
		if made.made[key] == 0 {
			changes.Unasked += count
			continue
		}
		changes.StateWrites += count
		changes.MostPerChange = max(changes.MostPerChange, float64(count)/float64(made.made[key]))
	}
	for _, count := range made.made {
		changes.Made += count
	}
	return changes
}

// String is what is told while it is measured.
func (r Run) String() string {
	c := r.Changes
	return fmt.Sprintf("%s: %d changes, median %.0f ms, p99 %.0f ms (the first instance: %.0f and %.0f ms), %d not applied, %d refused, %d withheld, "+
		"%.2f changes of status for each\n    %s", turn{r.Pair, r.Poisoned}, c.Made, c.Median, c.P99, c.FirstMedian, c.FirstP99, c.Open, c.Refused, c.Withheld,
		c.perChange(), r.Period)
}

// perChange is how many changes of status there were for each change of a spec.
func (c Changes) perChange() float64 {
	if c.Made == 0 {
		return 0
	}
	return float64(c.StateWrites) / float64(c.Made)
}

func (b *bench) settings(ctx context.Context) (Settings, error) {
	version, err := figures.Output(ctx, b.operatorProgram(), "--version")
	if err != nil {
		return Settings{}, err
	}
	limit, err := b.operatorMemoryLimit()
	return Settings{
		Operator: version, Clusters: b.clusters, Instances: b.instances, PerSpace: b.perNamespace, Workers: b.workers, MemoryLimit: limit,
		Rate: b.rate, DuringSeconds: b.during.Seconds(), RestSeconds: b.rest.Seconds(), Poison: b.poison, PoisonBy: b.poisonBy, Seed: b.seed,
	}, err
}

// read the record; an empty one where there is no file yet, or none is named.
func read(file string) (record Record, err error) {
	if file != "" {
		err = figures.Read(file, &record)
	}
	return record, err
}

// with another measurement behind the others.
func (r Record) with(m Measurement) Record {
	return Record{Measurements: append(slices.Clone(r.Measurements), m)}
}

func (r Record) write(file string) error { return figures.Write(file, r) }
