// Package catalogue lists the parameters of each major version of PostgreSQL, as
// pg_settings of a real server tells them. The tables are generated (`go generate`
// in this folder, which needs the servers that pgtest describes) and checked in,
// so that a parameter can be checked without a server.
//
// They are sorted slices of plain values, which the linker lays out: nothing is allocated,
// and a program that does not look has no page of them in memory.
package catalogue

import (
	"sort"
	"strings"
)

//go:generate go run ./generate

// Type of a parameter's value.
type Type string

// Types, in pg_settings' words.
const (
	Bool    Type = "bool"
	Integer Type = "integer"
	Real    Type = "real"
	String  Type = "string"
	Enum    Type = "enum"
)

// Contexts in pg_settings' words, as far as they matter to a configuration file.
const (
	// ContextPostmaster: takes effect only when the server is restarted.
	ContextPostmaster = "postmaster"
	// ContextInternal: cannot be set at all.
	ContextInternal = "internal"
)

// CategoryDeveloper holds what is meant for the development of PostgreSQL and for the recovery of damaged data.
const CategoryDeveloper = "Developer Options"

// Parameter of PostgreSQL, or of an extension that comes with it.
type Parameter struct {
	// Name as PostgreSQL writes it; it compares names without regard to case.
	Name string
	// Context tells when a change takes effect, Category what it is about.
	Context, Category string
	Type              Type
	// Unit that a bare number is in: B, kB, 8kB, MB, ms, s, min; empty for none.
	Unit string
	// Min and Max in Unit, for Integer and Real.
	Min, Max float64
	// Values of an Enum.
	Values []string
	// Default that the server has compiled in, in Unit; empty for those without.
	Default string
	// InFile tells whether a configuration file may hold it.
	InFile bool
}

// Majors for which there is a catalogue.
func Majors() []string { return []string{"15", "17"} }

// All parameters of a major version, sorted by name without regard to case; nil for an
// unknown version. It is the table itself: do not change it.
func All(major string) []Parameter {
	switch major {
	case "15":
		return postgres15
	case "17":
		return postgres17
	}
	return nil
}

// Lookup finds a parameter by its name, without regard to case.
func Lookup(major, name string) (Parameter, bool) {
	all, name := All(major), strings.ToLower(name)
	at := sort.Search(len(all), func(i int) bool { return strings.ToLower(all[i].Name) >= name })
	if at == len(all) || strings.ToLower(all[at].Name) != name {
		return Parameter{}, false
	}
	return all[at], true
}
