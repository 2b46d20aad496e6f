// Package e2e tests whole clusters on the local Kubernetes: real kubelets, real
// volumes, real PostgreSQL, in namespaces that enforce the restricted Pod Security
// standard. `make test-e2e` starts what is needed; then single tests can be run with
//
//	go test -tags e2e -run 'Restarted' ./test/e2e
//
// A test reads as a story: it makes a namespace (newSpace), a cluster in it
// (space.create), does something, and waits until the world is as it should be
// (eventually). While anything changes, a writer and a watcher run beside it
// (cluster.underLoad): what was acknowledged must be there at the end, errors are
// allowed only where the test says so, and there are never two writable primaries.
// On a failure, a test prints what a person would look at.
//
// Tests that disturb everybody (a node that stops, an operator that is replaced) do
// not call t.Parallel and run first, one after the other; all others run together.
// One that replaces the operator is among the others: the rotation of authorities takes
// minutes to wait for. An operator that is away for seconds, and authorities that are
// rotated, must disturb nobody; it is the only one, so that two do not replace each other's.
package e2e
