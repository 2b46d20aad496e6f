package settings

import (
	"log/slog"
	"strings"
	"time"

	"github.com/timonier-io/timonier/internal/pki"
)

// definition is a row of the table.
type definition struct {
	// name in kebab case: the flag's, and the ConfigMap's key.
	name string
	// kind of its value, with the bounds and the field of Values that takes it.
	kind kind
	// initial value, as a person would write it: in force where nothing else is said.
	initial string
	// live: a new value in the ConfigMap is in force at once, and otherwise from the operator's next start on.
	live bool
	// notInConfigMap tells why only a flag or the environment can set it; "" where the ConfigMap can too.
	notInConfigMap string
	// does is what it does, in one sentence that --help shows. Without backquotes: pflag would take them for a type's name.
	does string
}

// environment is the name of its variable. A Service called timonier makes Kubernetes set TIMONIER_PORT, TIMONIER_SERVICE_HOST
// and their like in every pod beside it: no setting may be called so.
func (d definition) environment() string {
	return "TIMONIER_" + strings.ToUpper(strings.ReplaceAll(d.name, "-", "_"))
}

// Bounds that several settings share.
const (
	day  = 24 * time.Hour
	year = 365 * day
)

// table of all settings, in the order in which they are shown.
var table = []definition{
	{
		name: "namespace", kind: plain{func(v *Values) *string { return &v.Namespace }, notEmpty}, initial: "timonier-system",
		notInConfigMap: "the ConfigMap is found in this namespace",
		does:           "namespace that the operator runs in",
	},
	{
		name: "pod-name", kind: plain{func(v *Values) *string { return &v.PodName }, nil},
		notInConfigMap: "each pod of the operator has its own name, and they share the ConfigMap",
		does:           "the operator's own pod, by which it finds its image, and in whose name it leads: after a crash it goes on at once",
	},
	{
		name: "manager-image", kind: plain{func(v *Values) *string { return &v.ManagerImage }, imageOrNone},
		does: "image from which the instance manager is copied into pods; empty for the operator's own",
	},
	{
		name: "manager-program", kind: plain{func(v *Values) *string { return &v.ManagerProgram }, notEmpty}, initial: "/timonier-instance",
		notInConfigMap: "it is a file of the operator's image, and changes with that image alone",
		does:           "the instance manager in this image",
	},
	{
		name: "postgres-image", kind: pairs{func(v *Values) *map[string]string { return &v.PostgresImages }, imageOfVersion},
		does: "image by major version, as 17=registry.example/postgres:17, separated by commas; empty for those beside the operator's own image. " +
			"The Platform goes before it",
	},
	{
		name: "authority-lifetime", kind: period{func(v *Values) *time.Duration { return &v.AuthorityLifetime }, pki.MinAuthorityLifetime, 20 * year},
		initial: short(pki.DefaultAuthorityLifetime),
		does:    "lifetime of a cluster's certificate authorities",
	},
	{
		// Renewed after two thirds of its life, a certificate of less would not arrive in the pods before the old one ends.
		name: "certificate-lifetime", kind: period{func(v *Values) *time.Duration { return &v.CertificateLifetime }, pki.MinAuthorityLifetime, 20 * year},
		initial: short(pki.DefaultLeafLifetime),
		does:    "lifetime of the certificates they sign, at most authority-lifetime",
	},
	{
		name: "workers", kind: number{func(v *Values) *int { return &v.Workers }, 1, 256}, initial: "8",
		does: "how many clusters are reconciled at the same time",
	},
	{
		name: "metrics-address", kind: plain{func(v *Values) *string { return &v.MetricsAddress }, address}, initial: ":8080",
		notInConfigMap: "the pod's ports and whoever scrapes them must agree with it, and they are not in the ConfigMap",
		does:           "address to serve metrics on; 0 for none",
	},
	{
		name: "probe-address", kind: plain{func(v *Values) *string { return &v.ProbeAddress }, address}, initial: ":8081",
		notInConfigMap: "the pod's probes must agree with it, and the kubelet would kill an operator that it cannot reach",
		does:           "address to serve probes on; 0 for none",
	},
	{
		name: "log-level", kind: level{func(v *Values) *slog.Level { return &v.LogLevel }}, initial: "info", live: true,
		does: "the least level that is logged: debug, info, warn or error",
	},
	{
		// Two failures in a row are everyday conflicts: from three on it means something.
		name: "max-retries", kind: number{func(v *Values) *int { return &v.MaxRetries }, 3, 1000}, initial: "10", live: true,
		does: "how often a phase may fail in a row before it is quarantined",
	},
	{
		name: "quarantine-after", kind: period{func(v *Values) *time.Duration { return &v.QuarantineAfter }, 10 * time.Second, day}, initial: "10m", live: true,
		does: "how long a phase must have been failing before it is quarantined",
	},
	{
		name: "probe-interval", kind: period{func(v *Values) *time.Duration { return &v.ProbeInterval }, time.Minute, day}, initial: "30m", live: true,
		does: "after how long what is quarantined is first tried again, at most probe-interval-max",
	},
	{
		name: "probe-interval-max", kind: period{func(v *Values) *time.Duration { return &v.ProbeIntervalMax }, time.Minute, 7 * day}, initial: "6h", live: true,
		does: "the longest time between two tries of what is quarantined",
	},
}

// order of two settings, each of which is right by itself.
type order struct {
	lower, upper string
	holds        func(Values) bool
}

// orders that values must keep. Both of a pair are live, or neither: one that waits for a restart would break the order.
var orders = []order{
	{"certificate-lifetime", "authority-lifetime", func(v Values) bool { return v.CertificateLifetime <= v.AuthorityLifetime }},
	{"probe-interval", "probe-interval-max", func(v Values) bool { return v.ProbeInterval <= v.ProbeIntervalMax }},
}
