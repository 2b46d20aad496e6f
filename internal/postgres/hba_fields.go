package postgres

import "strings"

// hbaToken is one value in pg_hba.conf. Quotes take a keyword's meaning away: "all" in quotes is a name.
type hbaToken struct {
	text   string
	quoted bool
}

// hbaField is a list of values between commas, mostly of one.
type hbaField []hbaToken

// text is the field as a person would write it, without quotes.
func (f hbaField) text() string {
	texts := make([]string, len(f))
	for i, token := range f {
		texts[i] = token.text
	}
	return strings.Join(texts, ",")
}

func (f hbaField) quoted() bool { return len(f) > 0 && f[0].quoted }

// hbaFields takes a line apart as PostgreSQL (hba.c) does: blanks separate fields, commas the values of a
// field, also with blanks after them; # begins a comment. ok is false where a quote is not closed.
func hbaFields(line string) (fields []hbaField, ok bool) {
	s := hbaScanner{rest: line}
	for {
		var field hbaField
		for comma := true; comma; {
			var token hbaToken
			var found bool
			token, comma, found = s.token()
			if !found {
				break
			}
			field = append(field, token)
		}
		if len(field) == 0 {
			return fields, !s.open
		}
		fields = append(fields, field)
	}
}

// hbaScanner goes through a line.
type hbaScanner struct {
	rest string
	// open: the line ended within quotes.
	open bool
}

// token is the next value, and whether a comma ended it; found is false at the end of the line.
func (s *hbaScanner) token() (token hbaToken, comma, found bool) {
	s.rest = strings.TrimLeft(s.rest, " \t\r,")
	var text strings.Builder
	inQuote, wasQuote, sawQuote := false, false, false
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		if !inQuote {
			switch c {
			case ' ', '\t', '\r':
				s.rest = s.rest[i:]
				return hbaToken{text.String(), sawQuote}, false, true
			case ',':
				s.rest = s.rest[i+1:]
				return hbaToken{text.String(), sawQuote}, true, true
			case '#':
				s.rest = ""
				return hbaToken{text.String(), sawQuote}, false, i > 0
			}
		}
		// Two quotes within quotes are one that is meant.
		if c != '"' || wasQuote {
			text.WriteByte(c)
		}
		wasQuote = inQuote && c == '"' && !wasQuote
		if c == '"' {
			inQuote, sawQuote = !inQuote, true
		}
	}
	found = s.rest != ""
	s.rest, s.open = "", s.open || inQuote
	return hbaToken{text.String(), sawQuote}, false, found
}
