// Package pki makes, renews and rotates the certificates of one cluster. It is
// pure: keys and certificates go in and come out, clocks and randomness are
// arguments, and nothing here knows Kubernetes; the controller stores what Plan
// and Renew decide.
//
// Each cluster has two authorities, so that trusting a database says nothing
// about who may command it:
//
//   - the peer authority signs who may speak to an instance: instances
//     (server and client), replication, operator and monitor (client only);
//   - the client authority signs the certificate that PostgreSQL shows to its
//     clients (server only), and nothing that could log in.
//
// # Where to put a line of code
//
// authority.go makes and reads authorities, leaf.go issues what they sign,
// renew.go decides when a leaf is due, state.go keeps an authority with its
// successor and predecessor, plan.go decides the steps of a rotation, secret.go
// turns all of it into the data of Secrets, tls.go into TLS configurations.
//
// # Rotation
//
// Something that is in use is trusted by its peers at every moment, because a
// step is taken only when the former one has arrived everywhere:
//
//	publish   next is made, and trusted beside current; leaves are current's
//	switch    every instance trusts next, and those who cannot report (clients,
//	          monitoring) had time to read it: next becomes current, current
//	          becomes previous, leaves are issued anew
//	retire    every instance uses leaves of current, and the overlap has passed:
//	          previous is not trusted any more
//
// What if an instance does not answer for long? The switch waits for it until a tenth of the authority's
// life is left (and at least as long as a Secret needs to arrive). Then it is made all the same: leaves
// that expire would stop every instance, while the one that is away finds authority and leaf in the same
// Secret when it is back. The predecessor stays trusted until it expires.
//
// What if the operator was away, and too little is left for clients to read the bundle? They get as long
// as there is: the switch is made when a fiftieth is left.
//
// What if the operator was away until the authority expired? Nothing in use is
// valid then; authority and leaves are published at once.
//
// What if a Secret was deleted or damaged? A lost key cannot sign, but leaves it
// signed are still in use: the authority goes on without its key (it is trusted,
// taken from the published bundle if need be) and a rotation starts at once.
package pki
