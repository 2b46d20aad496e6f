package postgrescluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// certificates are what a round found out of them.
type certificates struct {
	// expires is when the first of those in use does, or of the authorities that signed them, and first names it; due is when the first would be renewed. Zero
	// where there are none.
	expires, due time.Time
	first        string
	// planned once the phase has run that found out the others: authorities that are being replaced, and Secrets that were to be written and are left alone.
	planned             bool
	rotating, leftAlone []string
}

// inUse are the certificates that a cluster uses, and the authorities that sign them.
type inUse struct {
	peer, client pki.State
	mounted      pki.Mounted
	monitor      pki.Monitor
}

// observeCertificates notes how long those in use last, and when the first of them would be renewed.
func (r *Reconciler) observeCertificates(s *scope) {
	found, name := inUse{}, s.cluster.Name
	// What is damaged is left out, and the phase that makes them says so.
	found.peer, _ = authorityState(s, naming.PeerCA(name))
	found.client, _ = authorityState(s, naming.ClientCA(name))
	found.mounted, _ = contentOf(s, naming.Certificates(name), pki.ParseMounted)
	found.monitor, _ = contentOf(s, naming.MonitorCertificate(name), pki.ParseMonitor)
	s.certificates.measure(r, name, found)
}

// measure how long they last.
func (c *certificates) measure(r *Reconciler, cluster string, found inUse) {
	c.expires, c.due, c.first = time.Time{}, time.Time{}, ""
	for _, leaf := range []struct {
		pki.Leaf
		signer pki.Authority
		policy pki.Policy
		name   string
	}{
		{found.mounted.Peer, found.peer.Current, r.PeerPolicy, naming.Certificates(cluster) + "/" + pki.FilePeer},
		{found.mounted.Replication, found.peer.Current, r.PeerPolicy, naming.Certificates(cluster) + "/" + pki.FileReplication},
		{found.mounted.Server, found.client.Current, r.ClientPolicy, naming.Certificates(cluster) + "/" + pki.FileServer},
		{found.monitor.Leaf, found.peer.Current, r.PeerPolicy, naming.MonitorCertificate(cluster) + "/" + pki.FileMonitor},
	} {
		if leaf.Exists() {
			c.lasts(leaf.name, leaf.Certificate.NotAfter, pki.RenewAt(leaf.policy, leaf.signer, leaf.Leaf))
		}
	}
	for _, authority := range []struct {
		pki.Authority
		policy pki.Policy
		secret string
	}{{found.peer.Current, r.PeerPolicy, naming.PeerCA(cluster)}, {found.client.Current, r.ClientPolicy, naming.ClientCA(cluster)}} {
		if authority.Exists() {
			c.lasts(authority.secret+"/ca.crt", authority.Certificate.NotAfter, authority.policy.RotateAt(authority.Authority))
		}
	}
}

// lasts notes one of them.
func (c *certificates) lasts(name string, expires, due time.Time) {
	if c.expires.IsZero() || expires.Before(c.expires) {
		c.expires, c.first = expires, name
	}
	if c.due.IsZero() || due.Before(c.due) {
		c.due = due
	}
}

// leaveAlone notes a Secret that was to be written, and is not.
func (c *certificates) leaveAlone(secret string) {
	if !slices.Contains(c.leftAlone, secret) {
		c.leftAlone = append(c.leftAlone, secret)
	}
	c.planned = true
}

// setCertificates says how long they last, and what was done about it.
func (s *scope) setCertificates(status *v1alpha1.PostgresClusterStatus) {
	found, told := s.certificates, &status.Certificates
	if s.steering.state == contract.Removed && found.expires.IsZero() {
		// They have gone with what used them: nobody is to be woken for their end.
		*told = v1alpha1.CertificatesStatus{RenewedBy: told.RenewedBy}
	}
	if !found.expires.IsZero() {
		told.ExpiresAt, told.First = &metav1.Time{Time: found.expires}, found.first
	}
	if found.planned {
		leftAlone := slices.Clone(found.leftAlone)
		if s.renewal != nil && told.RenewedBy == string(s.renewal.UID) {
			leftAlone = append(leftAlone, told.LeftAlone...) // the operation has yet to see what was left alone when it was answered
		}
		slices.Sort(leftAlone)
		leftAlone = slices.Compact(leftAlone)
		told.Rotating, told.LeftAlone = found.rotating, leftAlone[:min(len(leftAlone), leftAloneShown)]
	}
	if s.renewed {
		told.RenewedBy = string(s.renewal.UID)
	}
	message := s.whyCertificatesExpire(found.leftAlone)
	if message == "" {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionCertificatesExpire)
		return
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: v1alpha1.ConditionCertificatesExpire, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonCertificatesExpire, Message: reconcile.Brief(message), ObservedGeneration: s.cluster.Generation})
}

// whyCertificatesExpire is why one of them is past the time at which it is renewed, and what to do; "" where none is, or it is being renewed.
func (s *scope) whyCertificatesExpire(leftAlone []string) string {
	found := s.certificates
	if found.due.IsZero() || !s.now.After(found.due) || s.steering.state == contract.Removed {
		return ""
	}
	first := fmt.Sprintf("certificates are due to be renewed; %s of the Secrets is the first to expire, at status.certificates.expiresAt. ", found.first)
	switch {
	case len(leftAlone) > 0:
		return first + fmt.Sprintf("Overrides of the Platform leave these Secrets alone: %s. Remove these overrides, or write the Secrets by hand", strings.Join(leftAlone, ", "))
	case s.steering.state != contract.Unmanaged:
		return ""
	case s.renewal != nil:
		return first + fmt.Sprintf("The operation %s renews them", s.renewal.Name)
	}
	return first + fmt.Sprintf("They are not while the cluster is left alone, by %s. Ask for it: kubectl timonier renew-certificates %s -n %s", s.steering.by, s.cluster.Name, s.cluster.Namespace)
}
