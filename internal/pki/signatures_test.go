package pki

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"
)

func TestARightSignatureIsKnownAndAWrongOneNeverIs(t *testing.T) {
	signer, other := authority(t, KindPeer, start, time.Hour), authority(t, KindPeer, start, time.Hour)
	certificate := leaf(t, signer, start, MonitorRequest(time.Hour)).Certificate
	known := &signatures{}
	for range 2 {
		if !known.holds(signer.Certificate, certificate) {
			t.Error("a right signature does not hold")
		}
		if known.holds(other.Certificate, certificate) {
			t.Error("one of another authority with the same names holds")
		}
		if known.holds(certificate, certificate) || known.holds(certificate, signer.Certificate) {
			t.Error("a certificate that may not sign has signed")
		}
	}
	if len(known.right) != 1 {
		t.Errorf("%d signatures are known, want the right one alone", len(known.right))
	}
	forged := *certificate
	forged.Raw = append([]byte(nil), certificate.Raw...)
	forged.Raw[len(forged.Raw)-1] ^= 1 // within the signature
	forged.Signature = forged.Raw[len(forged.Raw)-len(certificate.Signature):]
	if known.holds(signer.Certificate, &forged) {
		t.Error("a certificate that was changed holds")
	}
}

func TestSignaturesThatAreKnownDoNotGrowForEver(t *testing.T) {
	known := &signatures{right: map[[sha256.Size]byte]struct{}{}}
	for i := range signaturesKnown {
		var sum [sha256.Size]byte
		binary.BigEndian.PutUint64(sum[:], uint64(i))
		known.right[sum] = struct{}{}
	}
	signer := authority(t, KindPeer, start, time.Hour)
	if !known.holds(signer.Certificate, leaf(t, signer, start, MonitorRequest(time.Hour)).Certificate) || len(known.right) != 1 {
		t.Errorf("%d are known", len(known.right))
	}
}
