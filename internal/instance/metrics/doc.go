// Package metrics tells Prometheus about this instance and its PostgreSQL server.
//
//	handler.go     HTTP, the one connection, the cache
//	collect.go     how a group of metrics is asked for
//	groups.go, groups_replication.go   what is asked: one query for each group, as a table
//	counted.go     counters and histograms
//	availability.go, state.go   what the instance itself tells of high availability: what it did, and how it is now
//	volumes.go     how full the volumes are
//	encode.go      Prometheus' text format
//
// It keeps one connection open, as naming.MonitorRole over the local socket: where
// clients have taken all connections, metrics still answer, and tell just that.
//
// The text format is written here rather than by client_golang's promhttp: the instance manager may
// use 25 MiB in all, and of that an empty program with promhttp takes 11.9 MB (VmRSS after 20 requests, 60
// gauges, Go 1.26, amd64), the same one writing the text itself 6.8 MB. The tests read the result with
// Prometheus' own parser.
package metrics
