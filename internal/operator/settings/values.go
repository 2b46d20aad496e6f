package settings

import (
	"log/slog"
	"time"
)

// Values in force: a field for each setting of the table, in its order.
type Values struct {
	// Namespace that the operator runs in: its own Lease and its ConfigMap are there.
	Namespace string
	// PodName of the operator itself, by which it finds its image, and in whose name it leads; "" where it was not told.
	PodName string
	// ManagerImage from which the instance manager is copied into pods; "" for the operator's own.
	ManagerImage string
	// ManagerProgram is the path of the instance manager in this image.
	ManagerProgram string
	// PostgresImages by major version, in place of those beside the operator's own image; may be empty.
	PostgresImages map[string]string
	// AuthorityLifetime of a cluster's certificate authorities, never shorter than CertificateLifetime, which is that of
	// the certificates they sign.
	AuthorityLifetime, CertificateLifetime time.Duration
	// Workers is how many clusters are reconciled at the same time.
	Workers int
	// MetricsAddress and ProbeAddress to listen on, as host:port; "0" for not at all.
	MetricsAddress, ProbeAddress string
	// LogLevel below which nothing is logged.
	LogLevel slog.Level
	// MaxRetries is how often a phase may fail in a row before it is quarantined.
	MaxRetries int
	// QuarantineAfter is how long it must have been failing by then.
	QuarantineAfter time.Duration
	// ProbeInterval after which what is quarantined is first tried again, never longer than ProbeIntervalMax, up to which
	// it grows.
	ProbeInterval, ProbeIntervalMax time.Duration
}
