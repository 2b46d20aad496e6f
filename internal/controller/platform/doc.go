// Package platform reports on the Platform: what prevents an upgrade of the operator, since a person's hands are on it, and what most resources of a kind fail
// by; where there is no Platform, in events. It changes nothing else, so that it has no Keeper: docs/adr/0021.
package platform
