// Package contact is how controllers learn what the instances of a cluster do: the connections over mutual TLS, what
// each instance tells of itself, and what the Lease says. It decides nothing and writes nothing.
//
//	connections.go  a client for each instance, for as long as one look takes
//	ask.go          all instances at once
//	lease.go        the Lease as a Record
package contact
