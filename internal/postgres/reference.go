package postgres

import (
	"maps"
	"slices"
	"strings"
)

// ReferenceRow is a parameter, or a family of them, with the reason for what Timonier does about it.
type ReferenceRow struct {
	Name   string
	Reason string
}

// Reference is what docs/reference/parameters.md tells. Each list is sorted by name.
type Reference struct {
	// Defaults are set by Timonier, and users may set them otherwise.
	Defaults []ReferenceRow
	// Managed are set by Timonier, and users may not.
	Managed []ReferenceRow
	// Refused are not set by Timonier, and users may not set them either.
	Refused []ReferenceRow
}

// MakeReference from the tables that decide.
func MakeReference() Reference {
	var out Reference
	for _, s := range settingsTable {
		row := ReferenceRow{s.name, s.reason}
		if s.overridable {
			out.Defaults = append(out.Defaults, row)
		} else {
			out.Managed = append(out.Managed, row)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(forbidden)) {
		out.Refused = append(out.Refused, ReferenceRow{name, forbidden[name]})
	}
	byName := func(a, b ReferenceRow) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) }
	slices.SortFunc(out.Defaults, byName)
	slices.SortFunc(out.Managed, byName)
	return out
}
