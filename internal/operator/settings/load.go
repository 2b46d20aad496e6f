package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// Load what is in force at the operator's start. The flags are those of AddFlags, after they were parsed; environment is
// os.LookupEnv, and a variable that is empty says nothing; the ConfigMap's data is nil where there is none.
//
// The error tells all that flags and environment say wrongly. What the ConfigMap says wrongly is never an error: the next
// source is in force, and the entry in Effective.Sources says so.
func Load(flags *pflag.FlagSet, environment func(string) (string, bool), configMap map[string]string) (Effective, error) {
	bases := make([]given, len(table))
	var failures []error
	for i, d := range table {
		var err error
		if bases[i], err = d.base(d.sayings(flags, environment)); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) == 0 {
		failures = weigh(bases, nil).outOfOrder()
	}
	if len(failures) > 0 {
		return Effective{}, fmt.Errorf("the operator's settings: %w", errors.Join(failures...))
	}
	return weigh(bases, configMap).effective(configMap), nil
}

// Defaults are what is in force where nothing is said.
func Defaults() Effective {
	none := func(string) (string, bool) { return "", false }
	effective, err := Load(pflag.NewFlagSet("", pflag.ContinueOnError), none, nil)
	if err != nil {
		panic(err) // the table is a constant
	}
	return effective
}

// given is a value and where it comes from.
type given struct {
	parsed
	source Source
}

// saying is a text that a source has for a setting.
type saying struct {
	source Source
	// where a person finds it.
	where, text string
}

// sayings of default, environment and flag, the one that goes before the others last.
func (d definition) sayings(flags *pflag.FlagSet, environment func(string) (string, bool)) []saying {
	said := []saying{{SourceDefault, "the default", d.initial}}
	// A manifest's template leaves a variable empty where it has nothing to say.
	if text, set := environment(d.environment()); set && strings.TrimSpace(text) != "" {
		said = append(said, saying{SourceEnvironment, "the environment variable " + d.environment(), text})
	}
	if flag := flags.Lookup(d.name); flag != nil && flag.Changed {
		said = append(said, saying{SourceFlag, "the flag --" + d.name, flag.Value.String()})
	}
	return said
}

// base is the value without the ConfigMap. A text that another one goes before is judged too: it would come into force,
// and end a start, on the day on which the other is taken away.
func (d definition) base(said []saying) (given, error) {
	var last given
	var failures []error
	for _, s := range said {
		read, err := d.read(s.text)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %s says %q, which %w", d.name, s.where, bounded(s.text), err))
			continue
		}
		last = given{read, s.source}
	}
	return last, errors.Join(failures...)
}
