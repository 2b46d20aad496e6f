package postgres

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/timonier-io/timonier/internal/postgres/catalogue"
)

// number is how PostgreSQL (guc.c) takes a number: C's notations for integers, a fraction or an
// exponent, and then a unit, with blanks between.
var number = regexp.MustCompile(`^[ \t]*([+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?))[ \t]*([A-Za-z]*)[ \t]*$`)

// units of memory in bytes and of time in microseconds, by the name that a value may have. They are not case-insensitive.
var (
	memoryUnits = map[string]float64{"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
	timeUnits   = map[string]float64{"us": 1, "ms": 1e3, "s": 1e6, "min": 60e6, "h": 3600e6, "d": 86400e6}
	// baseUnits are those that pg_settings tells a parameter to be in.
	baseUnits = map[string]float64{"B": 1, "kB": 1 << 10, "8kB": 8 << 10, "MB": 1 << 20, "ms": 1e3, "s": 1e6, "min": 60e6}
)

// unitsFor are the units that a parameter's value may have; nil where it has none.
func unitsFor(p catalogue.Parameter) map[string]float64 {
	switch p.Unit {
	case "":
		return nil
	case "ms", "s", "min":
		return timeUnits
	}
	return memoryUnits
}

// parseNumber reads a value of an integer or real parameter, in the parameter's unit. An
// integer is rounded as PostgreSQL does. The error is a cause for people.
func parseNumber(p catalogue.Parameter, text string) (float64, error) {
	match := number.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	value, err := parseCNumber(match[1], p.Type == catalogue.Integer)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	if unit := match[2]; unit != "" {
		units := unitsFor(p)
		factor, ok := units[unit]
		switch {
		case units == nil:
			return 0, fmt.Errorf("%q has a unit, and this parameter takes none", text)
		case !ok:
			return 0, fmt.Errorf("%q has the unit %q, which PostgreSQL does not know here (upper and lower case matter)", text, unit)
		}
		value *= factor / baseUnits[p.Unit]
	}
	if p.Type == catalogue.Integer {
		value = math.RoundToEven(value)
	}
	return value, nil
}

// parseCNumber reads what strtol with base 0 does for integers (0x1F, and 017 is octal), else what strtod does.
func parseCNumber(text string, integer bool) (float64, error) {
	digits := strings.TrimLeft(text, "+-")
	octal := len(digits) > 1 && digits[0] == '0' && strings.Trim(digits, "0123456789") == ""
	if integer && (octal || strings.HasPrefix(strings.ToLower(digits), "0x")) {
		value, err := strconv.ParseInt(text, 0, 64)
		return float64(value), err
	}
	if strings.ContainsAny(digits, "xX") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// checkValue tells what is wrong with a value of this parameter, or "" and "".
func checkValue(p catalogue.Parameter, text string) (cause, remedy string) {
	switch p.Type {
	case catalogue.Bool:
		if _, ok := parseBool(text); !ok {
			return fmt.Sprintf("%q is neither on nor off", text), "write on or off"
		}
	case catalogue.Enum:
		if !slices.ContainsFunc(p.Values, func(v string) bool { return strings.EqualFold(v, text) }) {
			return fmt.Sprintf("%q is not one of its values", text), "write one of " + strings.Join(p.Values, ", ")
		}
	case catalogue.Integer, catalogue.Real:
		value, err := parseNumber(p, text)
		if err != nil {
			return err.Error(), "write " + bounds(p)
		}
		if value < p.Min || value > p.Max {
			return fmt.Sprintf("%q is out of bounds", text), "write " + bounds(p)
		}
	case catalogue.String:
	}
	return "", ""
}

// bounds tells which numbers a parameter takes.
func bounds(p catalogue.Parameter) string {
	kind := "a whole number"
	if p.Type == catalogue.Real {
		kind = "a number"
	}
	text := fmt.Sprintf("%s from %s to %s", kind, plain(p.Min), plain(p.Max))
	switch units := unitsFor(p); {
	case p.Unit == "":
		return text
	case len(units) == len(timeUnits):
		return text + " " + p.Unit + ", or with one of the units us, ms, s, min, h, d"
	}
	return text + " times " + p.Unit + ", or with one of the units B, kB, MB, GB, TB"
}

// plain writes a number without an exponent where it is not too long for that.
func plain(value float64) string {
	if math.Abs(value) < 1e15 {
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// parseBool reads what PostgreSQL takes for on and off: also true, yes, 1 and unambiguous beginnings.
func parseBool(text string) (value, ok bool) {
	text = strings.ToLower(text)
	switch {
	case text == "":
		return false, false
	case text == "1" || text == "on" || strings.HasPrefix("true", text) || strings.HasPrefix("yes", text):
		return true, true
	case text == "0" || text == "of" || text == "off" || strings.HasPrefix("false", text) || strings.HasPrefix("no", text):
		return false, true
	}
	return false, false
}
