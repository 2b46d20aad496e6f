package sim

import (
	"slices"

	"github.com/timonier-io/timonier/internal/election"
)

// API is a Kubernetes API server that keeps one Lease.
type API struct {
	// versions of the Lease, the first one that there is no Lease; the last one is true.
	versions []version
	pending  []update
}

type version struct {
	record election.Record
	exists bool
	// lost: it was emptied, or is what once was.
	lost bool
}

type update struct {
	from   int
	record election.Record
	landed func()
}

// NewAPI has no Lease.
func NewAPI() *API { return &API{versions: []version{{}}} }

// Read the Lease as it is, with its resourceVersion.
func (a *API) Read() (record election.Record, resourceVersion int, exists bool) {
	last := len(a.versions) - 1
	return a.versions[last].record.Copy(), last, a.versions[last].exists
}

// ReadCached is what a watch cache answers: a version that was true once; which one is the caller's to choose.
func (a *API) ReadCached(choose func(n int) int) (record election.Record, resourceVersion int, exists bool) {
	at := choose(len(a.versions))
	return a.versions[at].record.Copy(), at, a.versions[at].exists
}

// Create the Lease, as the operator does.
func (a *API) Create(record election.Record) {
	if _, _, exists := a.Read(); !exists {
		a.versions = append(a.versions, version{record: record.Copy(), exists: true})
	}
}

// Update writes a record over the version that it was made from; false where another one came before.
func (a *API) Update(from int, record election.Record) bool {
	if from != len(a.versions)-1 || !a.versions[from].exists {
		return false
	}
	a.versions = append(a.versions, version{record: record.Copy(), exists: true})
	return true
}

// Send an update that lands later, or never: the writer does not know which. Landed is called if it does; it may be nil.
func (a *API) Send(from int, record election.Record, landed func()) {
	a.pending = append(a.pending, update{from, record.Copy(), landed})
}

// Forget what is under way: it never lands.
func (a *API) Forget() { a.pending = nil }

// Land one of the updates that are under way.
func (a *API) Land(choose func(n int) int) {
	if len(a.pending) == 0 {
		return
	}
	at := choose(len(a.pending))
	sent := a.pending[at]
	a.pending = slices.Delete(a.pending, at, at+1)
	if a.Update(sent.from, sent.record) && sent.landed != nil {
		sent.landed()
	}
}

// Lose what the Lease holds: it is emptied, or restored to what it was once; which is the caller's to choose.
func (a *API) Lose(record election.Record) {
	a.versions = append(a.versions, version{record: record.Copy(), exists: true, lost: true})
}

// Lost tells that nobody has written the Lease since it was lost.
func (a *API) Lost() bool { return a.versions[len(a.versions)-1].lost }
