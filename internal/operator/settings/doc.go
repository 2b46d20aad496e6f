// Package settings holds the operator's parameters: which there are, where their values come from, and which are in force.
//
// A value comes from a flag; without one from the environment, without that from the operator's ConfigMap, and else from
// the table's default. All of them are rows of one table, and each row is a field of Values. It knows no Kubernetes
// client: whoever wires the operator hands in what the ConfigMap holds.
//
// # Where to put a line of code
//
//	table.go      every setting: name, kind, default, whether it is live, what it does; and which must be in order
//	kind.go       how a text becomes a value: numbers, durations, levels
//	text.go       the same for plain texts and for maps, with their checks
//	values.go     Values, a Go field for each setting: what the rest of the operator reads
//	effective.go  what is in force, from where, and what of the ConfigMap is not, with the reason
//	flags.go      flags that take any text, so that all that is wrong is told at once
//	load.go       flags, environment and defaults: what is wrong there ends the start
//	weigh.go      what the ConfigMap says, against them: what is wrong there ends nothing
//	nearest.go    which setting an unknown key may have meant
//	store.go      the present values for concurrent readers, and a ConfigMap that changed
//	follow.go     reads the ConfigMap again and again
//	serve.go      what is in force as JSON
//	metrics.go    the same as metrics
//
// A new setting is a row in table.go, a field in values.go and a row in docs/reference/settings.md; tests hold that they
// belong together. Its name becomes the flag, the ConfigMap's key and the environment variable. It is live only where
// its reader asks Store.Get each time; what is read once, at the start, is not.
//
// # Questions
//
// Why does a wrong flag end the start, and a wrong ConfigMap not? A flag comes with a new pod, and the rollout that brought
// it stops and shows it. A ConfigMap is changed beneath an operator that runs, or is found by one that was only moved to
// another node: a slip there must not leave every cluster without its operator.
//
// Why are flags and environment judged without the ConfigMap? It may be deleted at any moment, and what is left must hold.
//
// Why does a setting that needs a restart keep its value, rather than restart the operator? A person decides when. Until
// then the entry says what the next start will take.
package settings
