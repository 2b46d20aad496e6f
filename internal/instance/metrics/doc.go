// Package metrics tells Prometheus about the PostgreSQL server of this instance.
//
// It keeps one connection open, as naming.MonitorRole over the local socket: where
// clients have taken all connections, metrics still answer, and tell just that.
package metrics
