package postgres

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
)

// maxValue is the greatest length of a value, in bytes; a line of postgresql.conf can hold more, a message cannot.
const maxValue = 1000

// settingName is what can be a parameter's name: one of PostgreSQL's, or one of an extension's with dots.
var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$`)

// CheckParameters tells what in spec.parameters is refused, sorted by field; nil when all is well.
// What it cannot see (a library that is not in the image, a time zone that does not exist)
// PostgreSQL itself refuses when the instance loads the configuration.
//
// Refused are: what Timonier manages itself, unknown names, values of the wrong type or unit or
// out of bounds, and what breaks durability or reaches for files and commands.
func CheckParameters(major string, parameters map[string]string) []Problem {
	if catalogue.All(major) == nil {
		return []Problem{{"spec.version", fmt.Sprintf("%q is not a version of PostgreSQL that Timonier knows", major),
			"write one of " + strings.Join(catalogue.Majors(), ", ")}}
	}
	var problems []Problem
	spelling := map[string]string{}
	names := make([]string, 0, len(parameters))
	for name := range parameters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lower := strings.ToLower(name)
		cause, remedy := checkParameter(major, name, parameters[name])
		if other, taken := spelling[lower]; taken && cause == "" {
			cause, remedy = fmt.Sprintf("it is the same parameter as %s, since upper and lower case are one", other), "remove one of them"
		}
		spelling[lower] = name
		if cause != "" {
			problems = append(problems, Problem{parameterField(name), cause, remedy})
		}
	}
	if len(problems) == 0 {
		problems = checkTogether(major, parameters)
	}
	return problems
}

// parameterField is the field's name, fit for a message whatever the name holds.
func parameterField(name string) string {
	if settingName.MatchString(name) && len(name) <= 100 {
		return "spec.parameters." + name
	}
	return fmt.Sprintf("spec.parameters[%.100q]", name)
}

// checkParameter tells what is wrong with one parameter, or "" and "".
func checkParameter(major, name, value string) (cause, remedy string) {
	if !settingName.MatchString(name) {
		return "this cannot be a parameter's name", "write a name of letters, digits and underscores, such as work_mem"
	}
	if reason := whyForbidden(major, strings.ToLower(name)); reason != "" {
		return "it cannot be set here: " + reason, "remove it"
	}
	if cause, remedy := checkText(value); cause != "" {
		return cause, remedy
	}
	p, known := catalogue.Lookup(major, name)
	if !known {
		return checkUnknown(major, name)
	}
	if cause, remedy := checkValue(p, value); cause != "" {
		return cause, remedy
	}
	if restriction := restrictions[p.Name]; restriction != nil {
		return restriction(p, value)
	}
	return "", ""
}

// checkText refuses what could not be shown in a message or, if quoting failed, could begin another line.
func checkText(value string) (cause, remedy string) {
	switch {
	case len(value) > maxValue:
		return fmt.Sprintf("its value has %d bytes", len(value)), fmt.Sprintf("write at most %d", maxValue)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		return "its value has a line break or another control character", "write it in one line of plain text"
	}
	return "", ""
}

// checkUnknown judges a name that the catalogue does not have: extensions bring their own, with a dot.
func checkUnknown(major, name string) (cause, remedy string) {
	prefix, _, dotted := strings.Cut(strings.ToLower(name), ".")
	if dotted && !isKnownPrefix(major, prefix) {
		return "", ""
	}
	cause = fmt.Sprintf("PostgreSQL %s does not know it", major)
	for _, other := range catalogue.Majors() {
		if _, known := catalogue.Lookup(other, name); known {
			return cause, fmt.Sprintf("remove it; PostgreSQL %s has it", other)
		}
	}
	if nearest := nearestName(major, name); nearest != "" {
		return cause, "did you mean " + nearest + "?"
	}
	return cause, "correct the name or remove it; extensions' parameters have a dot, such as pg_stat_statements.max"
}

// isKnownPrefix tells whether the catalogue has the parameters of this extension, so that others of it do not exist.
func isKnownPrefix(major, prefix string) bool {
	return slices.ContainsFunc(catalogue.All(major), func(p catalogue.Parameter) bool {
		return strings.HasPrefix(p.Name, prefix+".")
	})
}

// checkTogether judges values that depend on each other, each of which is right by itself.
func checkTogether(major string, parameters map[string]string) []Problem {
	settings := settingsByName(SettingsInput{Major: major, Parameters: parameters})
	value := func(name string) float64 {
		p, _ := catalogue.Lookup(major, name)
		text := p.Default
		if s, set := settings[name]; set {
			text = s.Value // checked before
		}
		n, _ := parseNumber(p, text) // 0 where this version does not have it
		return n
	}
	most := value("max_connections")
	reserved := value("superuser_reserved_connections") + value("reserved_connections")
	if reserved >= most {
		return []Problem{{"spec.parameters.max_connections",
			fmt.Sprintf("%s connections are reserved of %s, which leaves none for clients", plain(reserved), plain(most)),
			"raise it, or lower superuser_reserved_connections or reserved_connections"}}
	}
	return nil
}
