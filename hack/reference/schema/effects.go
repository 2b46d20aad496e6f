package schema

import (
	"fmt"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// Effect of changing a field while the cluster runs.
type Effect string

// Effects, from none to the dearest.
const (
	// EffectImmutable: a change is refused.
	EffectImmutable Effect = "immutable"
	// EffectLive: takes effect without PostgreSQL noticing.
	EffectLive Effect = "live"
	// EffectReload: PostgreSQL reloads its configuration; connections stay.
	EffectReload Effect = "reload"
	// EffectRestart: PostgreSQL restarts, one instance after the other.
	EffectRestart Effect = "restart"
	// EffectRecreate: pods are made anew, one after the other.
	EffectRecreate Effect = "re-create"
	// EffectReported: written by Timonier, for people to read.
	EffectReported Effect = "reported"
)

// Effects that exist.
func Effects() []Effect {
	return []Effect{EffectImmutable, EffectLive, EffectReload, EffectRestart, EffectRecreate, EffectReported}
}

// Row of the table of effects.
type Row struct {
	Effect Effect `json:"effect"`
	// Note tells what is not plain from the effect alone.
	Note string `json:"note,omitempty"`
}

// Table of effects, by kind and by the field's path.
type Table map[string]map[string]Row

// ReadTable reads the table and checks its effects.
func ReadTable(path string) (Table, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the table of effects: %w", err)
	}
	table := Table{}
	if err := yaml.UnmarshalStrict(text, &table); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	for kind, rows := range table {
		for field, row := range rows {
			if !slices.Contains(Effects(), row.Effect) {
				return nil, fmt.Errorf("%s: %s %s: effect %q is not one of %v", path, kind, field, row.Effect, Effects())
			}
		}
	}
	return table, nil
}

// Compare a kind with its rows: fields without a row, and rows without a field.
func (t Table) Compare(kind Kind) (missing, surplus []string) {
	known := map[string]bool{}
	for _, field := range kind.Fields {
		known[field.Path] = true
		if _, ok := t[kind.Name][field.Path]; !ok {
			missing = append(missing, field.Path)
		}
	}
	for path := range t[kind.Name] {
		if !known[path] {
			surplus = append(surplus, path)
		}
	}
	slices.Sort(surplus)
	return missing, surplus
}
