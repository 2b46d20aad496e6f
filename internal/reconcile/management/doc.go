// Package management decides who steers a resource: Timonier, a person, or nobody any more.
//
//	decide.go    the platform, the resource itself and overrides have a say; the most restrictive one wins
//	alone.go     single children that are left alone
//	takeover.go  whether an operator of this version takes over what another one managed last
//
// All of it is pure.
package management
