package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// verified are the signatures that were found right.
var verified signatures

// signatures that were found right are so for ever: of all that is done for a cluster at rest, verifying them anew each time was a tenth. A wrong one is verified
// each time. The zero value is ready to use.
type signatures struct {
	mutex sync.Mutex
	right map[[sha256.Size]byte]struct{}
}

// signaturesKnown at most, of some ten thousand clusters. Then it begins anew, so that what is gone is not held for ever.
const signaturesKnown = 1 << 16

// holds tells whether the authority, which may sign, has signed the certificate.
func (s *signatures) holds(authority, certificate *x509.Certificate) bool {
	// Sums of a fixed length, one after the other: nothing else gives the same text.
	by, of := sha256.Sum256(authority.Raw), sha256.Sum256(certificate.Raw)
	both := sha256.Sum256(append(by[:], of[:]...))
	s.mutex.Lock()
	_, known := s.right[both]
	s.mutex.Unlock()
	if known {
		return true
	}
	if certificate.CheckSignatureFrom(authority) != nil {
		return false
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.right == nil || len(s.right) >= signaturesKnown {
		s.right = map[[sha256.Size]byte]struct{}{}
	}
	s.right[both] = struct{}{}
	return true
}
