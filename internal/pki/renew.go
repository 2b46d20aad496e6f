package pki

import (
	"crypto/x509"
	"io"
	"slices"
	"time"
)

// Renewal tells what became of a leaf.
type Renewal struct {
	Leaf Leaf
	// Reason why it was issued anew, for a person: "" where the leaf is as it was.
	Reason string
	// Due is when to look again.
	Due time.Time
}

// Renew returns the leaf as it is, or a new one where it is missing, not the signer's, not as requested,
// or past Policy.RenewFraction of its life. Where the signer has no key, a leaf that is still valid is
// kept as it is, for the rotation that was begun replaces it. Without a valid one ErrNoKey is returned; that
// happens only where Observed.Incomplete was not told.
func Renew(now time.Time, random io.Reader, policy Policy, signer Authority, leaf Leaf, request LeafRequest) (Renewal, error) {
	reason := renewalReason(now, policy, signer, leaf, request)
	keep := leaf.Exists() && now.Before(leaf.Certificate.NotAfter) && !signer.CanSign()
	if reason == "" || keep {
		return Renewal{Leaf: leaf, Due: RenewAt(policy, signer, leaf)}, nil
	}
	issued, err := signer.Issue(now, random, request)
	if err != nil {
		return Renewal{}, err
	}
	return Renewal{Leaf: issued, Reason: reason, Due: RenewAt(policy, signer, issued)}, nil
}

func renewalReason(now time.Time, policy Policy, signer Authority, leaf Leaf, request LeafRequest) string {
	switch {
	case !leaf.Exists():
		return "it is missing or damaged"
	case !signer.signed(leaf.Certificate):
		return "another authority signs now"
	case !asRequested(leaf.Certificate, request):
		return "its names have changed"
	case !now.Before(RenewAt(policy, signer, leaf)):
		return "it is near its expiry"
	}
	return ""
}

// RenewAt is when a leaf is renewed: a fraction of the leaf's life. A leaf that ends with its authority gains nothing by being
// renewed: it is issued anew when the authority's successor takes over.
func RenewAt(policy Policy, signer Authority, leaf Leaf) time.Time {
	born, end := leaf.Certificate.NotBefore, leaf.Certificate.NotAfter
	if signer.Exists() && !end.Before(signer.Certificate.NotAfter) {
		return end
	}
	return born.Add(time.Duration(float64(end.Sub(born)) * policy.RenewFraction))
}

func asRequested(certificate *x509.Certificate, request LeafRequest) bool {
	sameIPs := len(certificate.IPAddresses) == len(request.IPs)
	for i := 0; sameIPs && i < len(request.IPs); i++ {
		sameIPs = certificate.IPAddresses[i].Equal(request.IPs[i])
	}
	return sameIPs &&
		slices.Equal(certificate.DNSNames, request.DNSNames) &&
		certificate.Subject.CommonName == request.CommonName &&
		RoleOf(certificate) == string(request.Role) &&
		slices.Equal(certificate.ExtKeyUsage, request.Usage.extended())
}
