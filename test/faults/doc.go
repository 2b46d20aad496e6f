// Package faults breaks clusters on the local Kubernetes for real, while clients write to it, and checks that
// writes come back and that nothing acknowledged is lost.
//
//	kubernetes.go  the local Kubernetes, and the programs that drive it
//	bed.go         the cluster under test: made, looked at, removed
//	whole.go       whether all its members are back
//	target.go      who leads and runs where at the moment of a fault, and how clients get in
//	processes.go   processes in pods, as the host sees them
//	fault.go       what a fault is; two at once, without the operator, or with its end
//	switchover.go  what asks for a switchover; faults that hit it in its middle
//	choose.go      one of them at random
//	shapes.go      clusters of other shapes, and the faults that they meet
//	table.go       the faults, each with how it is made and healed
//	inject_*.go    how, in code
//	steady.go      what must not make anybody fail over
//	diagnosis.go   what a person would look at first
//	beside.go      who comes to a primary that is cut off; reader.go what that shows
//	promise.go     what may be missing at the end: with mode Quorum nothing
//	trial.go       one fault from beginning to end, and its result
//
// `make test-faults` tries each of them once, `make soak` at random, and `make bench-ha` measures. A single one:
//
//	go test -tags faults -run 'Faults/sigkill-pid1' ./test/faults
//
// The clients are package workload's. They enter through the Service `<cluster>-rw` by a node that the fault leaves
// alone: what is measured is how long the service is away, not how long a load balancer needs to find another node.
package faults
