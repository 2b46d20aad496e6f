package postgres

import (
	"sort"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// runeRange is the first and the last of a range of characters.
type runeRange [2]rune

// in tells whether a sorted list of ranges holds a character.
func in(ranges []runeRange, r rune) bool {
	at := sort.Search(len(ranges), func(i int) bool { return ranges[i][1] >= r })
	return at < len(ranges) && ranges[at][0] <= r
}

// saslprep normalises a password as PostgreSQL does (RFC 4013, a profile of RFC 3454), so that
// it fits however the client's keyboard composed it. A password that the profile prohibits, or
// that is not UTF-8, is taken as it is: PostgreSQL's server and libpq do the same.
//
// In one point PostgreSQL leaves the RFC, and this follows PostgreSQL: prohibited characters and
// the direction of writing are looked for before the normalisation, not after it.
func saslprep(password string) string {
	if isASCII(password) || !utf8.ValidString(password) {
		return password
	}
	mapped := make([]rune, 0, len(password))
	for _, r := range password {
		switch {
		case in(spaces, r):
			mapped = append(mapped, ' ')
		case !in(nothings, r):
			mapped = append(mapped, r)
		}
	}
	if len(mapped) == 0 || !mayUse(mapped) {
		return password
	}
	return norm.NFKC.String(string(mapped))
}

// mayUse tells whether there is no prohibited character, and no mixture of directions.
func mayUse(text []rune) bool {
	var right, left bool
	for _, r := range text {
		if in(refused, r) {
			return false
		}
		right = right || in(rightToLeft, r)
		left = left || in(leftToRight, r)
	}
	return !right || !left && in(rightToLeft, text[0]) && in(rightToLeft, text[len(text)-1])
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}
