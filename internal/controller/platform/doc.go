// Package platform reports on the Platform: what prevents an upgrade of the operator, since a person's hands are on it, and what most resources of a kind fail
// by. It changes nothing else.
package platform
