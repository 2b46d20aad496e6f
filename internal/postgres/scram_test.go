package postgres

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// The keys are those of the example in RFC 7677, section 3: user “user”, password “pencil”.
func TestTheVerifierOfTheExampleInTheRFC(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := SCRAMVerifier("pencil", bytes.NewReader(salt))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseSCRAMVerifier(verifier)
	if err != nil {
		t.Fatal(err)
	}
	const clientFirst, serverFirst = "n=user,r=rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	const clientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	signature := hmacSHA256(parsed.serverKey, clientFirst+","+serverFirst+","+clientFinal)
	if got := base64.StdEncoding.EncodeToString(signature); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("the server's signature is %s", got)
	}
}

func TestAVerifierFitsItsPasswordOnly(t *testing.T) {
	verifier, err := SCRAMVerifier("correct horse", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !SCRAMMatches(verifier, "correct horse") || !IsSCRAMVerifier(verifier) {
		t.Error("it does not fit its own password")
	}
	if SCRAMMatches(verifier, "correct horse ") || SCRAMMatches(verifier, "") {
		t.Error("it fits another password")
	}
	if other, err := SCRAMVerifier("correct horse", rand.Reader); err != nil || other == verifier {
		t.Error("the salt is not random", err)
	}
	for _, text := range []string{
		"", "correct horse", "md5" + strings.Repeat("0", 32), verifier + " ", verifier[:len(verifier)-1],
		strings.Replace(verifier, "4096", "0", 1), strings.Replace(verifier, "4096", "04096", 1),
		strings.Replace(verifier, "4096", "99999999999", 1), strings.Replace(verifier, ":", "", 1), verifier + "\n",
	} {
		if SCRAMMatches(text, "correct horse") || IsSCRAMVerifier(text) {
			t.Errorf("%q is taken for a verifier", text)
		}
	}
}

func TestPasswordsThatCannotBeUsed(t *testing.T) {
	for _, password := range []string{"", "a\x00b"} {
		if _, err := SCRAMVerifier(password, rand.Reader); err == nil {
			t.Errorf("%q has a verifier", password)
		}
	}
	if _, err := SCRAMVerifier("x", failingReader{}); err == nil {
		t.Error("without randomness there is a verifier")
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

// Examples of RFC 4013, section 3, and of where PostgreSQL falls back to the password as it is.
func TestSASLprep(t *testing.T) {
	for in, want := range map[string]string{
		"user":             "user",
		"USER":             "USER",
		"I\u00adX":         "IX",           // a soft hyphen is left out
		"\u00aa":           "a",            // compatibility composition
		"\u2168":           "IX",           // likewise
		"a\u00a0b":         "a b",          // a blank that is not ASCII
		"e\u0301":          "\u00e9",       // composed
		"\u0007":           "\u0007",       // ASCII is taken as it is
		"\u0007\u00aa":     "\u0007\u00aa", // prohibited, so nothing is changed
		"\u0627\u0031":     "\u0627\u0031", // the direction is mixed
		"\u0627\u00aa":     "\u0627\u00aa",
		"\u00ad":           "\u00ad",           // nothing would be left
		"\U0001F600\u00aa": "\U0001F600\u00aa", // not assigned in Unicode 3.2
		"\xff\xc2\xaa":     "\xff\xc2\xaa",     // not UTF-8
	} {
		if got := saslprep(in); got != want {
			t.Errorf("saslprep(%q) = %q, want %q", in, got, want)
		}
	}
}
