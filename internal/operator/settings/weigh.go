package settings

import (
	"fmt"
	"maps"
	"slices"
)

// entry is a setting while its sources are weighed against each other.
type entry struct {
	definition
	// given is in force.
	given
	// base would be without the ConfigMap.
	base given
	// reason why what the ConfigMap holds is not in force, "" where it is.
	reason Reason
	why    string
}

// entries of all settings, in the order of the table.
type entries []entry

// weigh what the ConfigMap says against the bases, which are in the order of the table too.
func weigh(bases []given, configMap map[string]string) entries {
	all := make(entries, len(table))
	for i, d := range table {
		all[i] = entry{definition: d, given: bases[i], base: bases[i]}
		if text, held := configMap[d.name]; held {
			all[i].consider(text)
		}
	}
	all.settle()
	return all
}

// consider what the ConfigMap says of a setting. A value that is refused is told to be so even where a flag goes before
// it: taking the flag away would not bring it into force.
func (e *entry) consider(text string) {
	read, err := e.read(text)
	switch {
	case e.notInConfigMap != "":
		e.refuse(ReasonInvalid, fmt.Sprintf("invalid: the ConfigMap cannot set it, because %s; use --%s or %s", e.notInConfigMap, e.name, e.environment()))
	case err != nil:
		e.refuse(ReasonInvalid, fmt.Sprintf("invalid: %q %s", bounded(text), err))
	case e.source == SourceFlag:
		e.refuse(ReasonOverridden, "overridden by the flag --"+e.name)
	case e.source == SourceEnvironment:
		e.refuse(ReasonOverridden, "overridden by the environment variable "+e.environment())
	default:
		e.given = given{read, SourceConfigMap}
	}
}

// refuse what the ConfigMap says: the base is in force.
func (e *entry) refuse(reason Reason, why string) {
	e.given, e.reason, e.why = e.base, reason, why
}

// keep the value that runs, since this one is for the next start.
func (e *entry) keep(running given) {
	next := fmt.Sprintf("the next start takes %q (%s)", bounded(e.text), e.source)
	if e.reason == "" {
		e.reason, e.why = ReasonNeedsRestart, "needs a restart: "+next
	} else {
		e.why += "; " + next
	}
	e.given = running
}

// settle pairs that are out of order: the ConfigMap's values give way, the upper one first. What is left are bases, and
// Load has seen that those are in order.
func (all entries) settle() {
	for _, rule := range orders {
		lower, upper := all.find(rule.lower), all.find(rule.upper)
		if !rule.holds(all.values()) && upper.source == SourceConfigMap {
			upper.refuse(ReasonInvalid, fmt.Sprintf("invalid: %q is less than %s, which is %s; write at least as much", upper.text, rule.lower, lower.text))
		}
		if !rule.holds(all.values()) && lower.source == SourceConfigMap {
			lower.refuse(ReasonInvalid, fmt.Sprintf("invalid: %q is more than %s, which is %s; write at most as much", lower.text, rule.upper, upper.text))
		}
	}
}

// outOfOrder tells which pairs are.
func (all entries) outOfOrder() []error {
	var failures []error
	for _, rule := range orders {
		if lower, upper := all.find(rule.lower), all.find(rule.upper); !rule.holds(all.values()) {
			failures = append(failures, fmt.Errorf("%s is %s (%s), which is more than %s, which is %s (%s); lower the one or raise the other",
				rule.lower, lower.text, lower.source, rule.upper, upper.text, upper.source))
		}
	}
	return failures
}

// find the entry of a setting that exists.
func (all entries) find(name string) *entry {
	return &all[slices.IndexFunc(all, func(e entry) bool { return e.name == name })]
}

// values in force: the caller's own, maps too.
func (all entries) values() Values {
	var values Values
	for _, e := range all {
		e.store(&values)
	}
	return values
}

func (all entries) effective(configMap map[string]string) Effective {
	effective := Effective{Values: all.values(), entries: all}
	for _, e := range all {
		effective.Sources = append(effective.Sources,
			Setting{Name: e.name, Value: e.text, Source: e.source, Live: e.live, NotInForce: e.reason, Why: e.why})
	}
	effective.Sources = append(effective.Sources, unknown(configMap)...)
	return effective
}

// mostUnknown keys that are told of: a ConfigMap can hold thousands. Whoever corrects these sees the next ones.
const mostUnknown = 20

// unknown keys of the ConfigMap, sorted.
func unknown(configMap map[string]string) []Setting {
	var found []Setting
	for _, key := range slices.Sorted(maps.Keys(configMap)) {
		name := bounded(key)
		known := slices.ContainsFunc(table, func(d definition) bool { return d.name == key })
		// Long keys that begin alike are one when cut, and a metric must not be there twice.
		repeated := len(found) > 0 && found[len(found)-1].Name == name
		if known || repeated || len(found) == mostUnknown {
			continue
		}
		why := "unknown key: the operator has no such setting"
		if near := nearest(key); near != "" {
			why = "unknown key: did you mean " + near + "?"
		}
		found = append(found, Setting{Name: name, NotInForce: ReasonUnknown, Why: why})
	}
	return found
}
