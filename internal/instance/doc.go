// Package instance is the instance manager: PID 1 of every PostgreSQL pod.
//
// One loop owns all state (loop.go). Each turn it observes (observe.go: the Lease,
// the volumes, the server, the peers), lets package election decide, acts on the decision, and
// publishes a status. Acting is level-triggered: what is not as it should be is
// changed by one step, and the next turn looks again. It is woken by events: the server's end,
// a change of the Lease, a command, a peer's answer; and by a tick. What takes long (initdb, a clone) is
// a job beside the loop (job.go). Requests of the API that change something run as commands inside the loop.
//
//	lease.go, heartbeat.go   what arbitrates, and what the instances tell each other
//	doubt.go, member.go      what a follower thinks of its leader, and what is decided from
//	steps.go                 the one step that was decided, carried out
//	process.go, fatal.go     the server's process: start, stop, its end, and why
//	files.go, enforce.go     the configuration files it reads, and who commits wait for
//	gate.go, door.go         whom it follows, and whom it lets in
//	initialise.go            a new system, under the bootstrap mark
//	recovery.go              recovery's end, on the Lease's timeline
//	compare.go               a leader that crashed, compared with the others
//	switchover.go            the Lease, passed on by name
//	stall.go                 a leader whose volumes, or whose server, hang
//	follow.go, replay.go     a standby that gets no WAL, or does nothing with it
//	rewind.go, clone.go      a copy that is mended, or replaced by the leader's
//	duties_*.go, reach.go    what a leader or follower does all the time: slots, endpoints, who may be a member
//	reprieve.go              a leader in asynchronous mode without the API
//	remember.go              what must survive this program
//	configuration.go         what the operator sent: checked, tried, kept or given back
//	commands.go, operations.go  the API's requests
//	upgrade.go               replacing this program while the server goes on
//	status.go, measure.go, unprotected.go  what is told about all this
package instance
