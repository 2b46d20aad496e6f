// Package facts shows what PostgreSQL really does where the protocol of failover leans on it: one test for each fact,
// named by the sentence it shows, on the very programs that pods run, in every version. A fact that a remedy answers is shown with it: first
// what goes wrong, then that the remedy helps. When a new version of PostgreSQL behaves otherwise, a test here
// says so before a cluster does.
//
// A test belongs here when it is of PostgreSQL alone: no instance manager, no Kubernetes. The servers are
// configured as instances are (postgres.RenderSettings), without TLS.
//
// It needs what pgtest needs.
package facts
