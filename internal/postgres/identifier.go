package postgres

import "strings"

// MaxIdentifier is the greatest length of a name in PostgreSQL, in bytes; what is longer is cut silently.
const MaxIdentifier = 63

// QuoteIdentifier writes a name so that SQL takes it as it is. A zero byte, which
// no name can have and at which PostgreSQL would end the statement, is left out.
func QuoteIdentifier(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

// QuoteLiteral writes a text as an SQL string constant, whatever
// standard_conforming_strings says: one with a backslash becomes E'…'. Use a
// parameter of the statement wherever PostgreSQL takes one; utility statements do not.
func QuoteLiteral(text string) string {
	quoted := "'" + strings.ReplaceAll(strings.ReplaceAll(text, "\x00", ""), "'", "''") + "'"
	if !strings.Contains(text, `\`) {
		return quoted
	}
	return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
}

// quoteSetting writes a value for postgresql.conf. Line breaks are written as
// escapes, so that no value, checked or not, can begin another line.
func quoteSetting(value string) string {
	return "'" + settingEscapes.Replace(value) + "'"
}

// settingEscapes are built once: that costs more than to use them.
var settingEscapes = strings.NewReplacer("\x00", "", `\`, `\\`, "'", "''", "\n", `\n`, "\r", `\r`)
