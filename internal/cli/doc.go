// Package cli is `kubectl timonier`: the operations on a cluster from a terminal, and its state on one screen. It does
// nothing that the Kubernetes API cannot express, with the rights of the person at the terminal.
//
//	command.go   the commands and their flags
//	complete.go  what is suggested at the Tab key
//	connect.go   the way to the API, as kubectl finds it
//	operate.go   asks for a PostgresOperation, and waits for its end
//	status.go    reads what `status` shows
//	render.go    shows it: a pure function, with golden files
//	condition.go which conditions are well, and which runbook belongs to one that is not
//	exit.go      what a program's end says
package cli
