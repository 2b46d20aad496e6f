package postgres

import "io"

// SCRAMVerifier is what PostgreSQL stores in place of a password: from it a password can be
// verified, and not be known. Salt of 16 bytes is read from random (crypto/rand.Reader),
// with PostgreSQL's own 4096 iterations. The same password gives another verifier each time;
// keep the one in use as long as SCRAMMatches says that it fits.
func SCRAMVerifier(password string, random io.Reader) (string, error) { return "", nil }

// SCRAMMatches tells whether the verifier is one of this password. A text that is not
// a SCRAM-SHA-256 verifier matches nothing.
func SCRAMMatches(verifier, password string) bool { return false }

// IsSCRAMVerifier tells whether text is a SCRAM-SHA-256 verifier as PostgreSQL writes it.
func IsSCRAMVerifier(text string) bool { return false }
