package postgres

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the write-ahead log, in bytes since its beginning. Two of
// them can be compared with < and == where they are of the same timeline; across
// timelines a comparison means nothing without the history of the forks.
type LSN uint64

// ParseLSN reads "16/B374D848": two hexadecimal numbers of 32 bits.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	if !ok || !isHex32(high) || !isHex32(low) {
		return 0, fmt.Errorf("%q is not a WAL location; expected two hexadecimal numbers like 16/B374D848", text)
	}
	// Both are checked above: neither can fail.
	h, _ := strconv.ParseUint(high, 16, 32)
	l, _ := strconv.ParseUint(low, 16, 32)
	return LSN(h<<32 | l), nil
}

// isHex32 tells whether text is 1 to 8 hexadecimal digits, without the sign or underscore that strconv might take.
func isHex32(text string) bool {
	if len(text) < 1 || len(text) > 8 {
		return false
	}
	return strings.Trim(text, "0123456789abcdefABCDEF") == ""
}

// String is the way PostgreSQL writes it: "16/B374D848".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint64(l)&0xFFFFFFFF) }

// IsZero tells whether this is PostgreSQL's invalid location, 0/0: none is known.
func (l LSN) IsZero() bool { return l == 0 }

// Compare is -1, 0 or +1 as l is before, at or after other.
func (l LSN) Compare(other LSN) int {
	switch {
	case l < other:
		return -1
	case l > other:
		return 1
	}
	return 0
}

// Sub is the number of bytes from other to l, negative where l is the earlier.
func (l LSN) Sub(other LSN) int64 { return int64(l - other) }

// MarshalText writes it as String does.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what ParseLSN does; empty text is 0/0.
func (l *LSN) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*l = 0
		return nil
	}
	parsed, err := ParseLSN(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}
