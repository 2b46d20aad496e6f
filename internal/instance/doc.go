// Package instance is the instance manager: PID 1 of every PostgreSQL pod.
//
// One loop owns all state (loop.go). Each turn it observes (observe.go: the Lease,
// the volumes, the server, the peers), lets package election decide, acts on the decision, and
// publishes a status. Acting is level-triggered: what is not as it should be is
// changed by one step, and the next turn looks again. It is woken by events: the server's end,
// a change of the Lease, a command, a peer's answer; and by a tick. What takes long (initdb, a clone) is
// a job beside the loop (job.go). Requests of the API that change something run as commands inside the loop.
//
//	lease.go          reading and writing the Lease
//	process.go        the server's process: start, stop, its end
//	files.go          the configuration files it reads, and the gate (the service file)
//	initialise.go     act: a new system, under the bootstrap mark
//	clone.go          act: a copy of the leader's data
//	primary.go        act: lead
//	promote.go        act: recovery's end, on the Lease's timeline
//	standby.go        act: follow, or stay detached
//	duties_*.go       what a leader or follower does all the time: slots, members, endpoints
//	configuration.go  what the operator sent: checked, tried, kept or given back
//	commands.go       the API's requests
//	upgrade.go        replacing this program while the server goes on
//	status.go         what is told about all this
package instance
