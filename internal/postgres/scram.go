package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	scramMechanism = "SCRAM-SHA-256"
	// scramIterations is PostgreSQL's default. A session of a client pays for them at each login.
	scramIterations = 4096
	// maxSCRAMIterations bounds the work that a stored verifier can ask for.
	maxSCRAMIterations = 10_000_000
	scramSaltBytes     = 16
)

// SCRAMVerifier is what PostgreSQL stores in place of a password (RFC 5802, RFC 7677): from it a
// password can be verified, and not be known. A salt of 16 bytes is read from random
// (crypto/rand.Reader), and there are PostgreSQL's own 4096 iterations. The same password gives another
// verifier each time; keep the one in use as long as SCRAMMatches says that it fits.
//
// An empty password is an error: PostgreSQL refuses to log in with one.
func SCRAMVerifier(password string, random io.Reader) (string, error) {
	if password == "" || strings.ContainsRune(password, 0) {
		return "", errors.New("an empty password, or one with a zero byte, cannot be used with PostgreSQL")
	}
	salt := make([]byte, scramSaltBytes)
	if _, err := io.ReadFull(random, salt); err != nil {
		return "", fmt.Errorf("reading randomness for a password's salt: %w", err)
	}
	verifier, err := newSCRAMVerifier(password, salt, scramIterations)
	if err != nil {
		return "", err
	}
	return verifier.String(), nil
}

// SCRAMMatches tells whether the verifier is one of this password. A text that is not
// a SCRAM-SHA-256 verifier matches nothing.
func SCRAMMatches(verifier, password string) bool {
	stored, err := parseSCRAMVerifier(verifier)
	if err != nil {
		return false
	}
	computed, err := newSCRAMVerifier(password, stored.salt, stored.iterations)
	return err == nil && hmac.Equal(computed.storedKey, stored.storedKey) && hmac.Equal(computed.serverKey, stored.serverKey)
}

// IsSCRAMVerifier tells whether text is a SCRAM-SHA-256 verifier as PostgreSQL writes it. PostgreSQL
// takes anything else for a password in clear, or for an MD5 hash.
func IsSCRAMVerifier(text string) bool {
	_, err := parseSCRAMVerifier(text)
	return err == nil
}

// scramVerifier in PostgreSQL's form: mechanism$iterations:salt$StoredKey:ServerKey.
type scramVerifier struct {
	iterations                 int
	salt, storedKey, serverKey []byte
}

// newSCRAMVerifier computes the keys of RFC 5802, section 3.
func newSCRAMVerifier(password string, salt []byte, iterations int) (scramVerifier, error) {
	salted, err := pbkdf2.Key(sha256.New, saslprep(password), salt, iterations, sha256.Size)
	if err != nil {
		return scramVerifier{}, fmt.Errorf("deriving a password's keys: %w", err)
	}
	stored := sha256.Sum256(hmacSHA256(salted, "Client Key"))
	return scramVerifier{iterations, salt, stored[:], hmacSHA256(salted, "Server Key")}, nil
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// String is what pg_authid.rolpassword holds.
func (v scramVerifier) String() string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", scramMechanism, v.iterations, encode(v.salt), encode(v.storedKey), encode(v.serverKey))
}

// errNotVerifier does not show the text: it may be a password in clear.
var errNotVerifier = errors.New("this is not a SCRAM-SHA-256 verifier")

func parseSCRAMVerifier(text string) (scramVerifier, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != scramMechanism {
		return scramVerifier{}, errNotVerifier
	}
	iterations, salt, okSalt := strings.Cut(parts[1], ":")
	stored, server, okKeys := strings.Cut(parts[2], ":")
	if !okSalt || !okKeys {
		return scramVerifier{}, errNotVerifier
	}
	count, err := strconv.Atoi(iterations)
	if err != nil || count < 1 || count > maxSCRAMIterations {
		return scramVerifier{}, errNotVerifier
	}
	v := scramVerifier{iterations: count}
	for _, field := range []struct {
		to   *[]byte
		text string
	}{{&v.salt, salt}, {&v.storedKey, stored}, {&v.serverKey, server}} {
		if *field.to, err = base64.StdEncoding.Strict().DecodeString(field.text); err != nil {
			return scramVerifier{}, errNotVerifier
		}
	}
	if len(v.storedKey) != sha256.Size || len(v.serverKey) != sha256.Size || v.String() != text {
		return scramVerifier{}, errNotVerifier
	}
	return v, nil
}
