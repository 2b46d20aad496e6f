package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// flagged are the operator's flags after these arguments were parsed.
func flagged(t *testing.T, arguments ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("timonier-operator", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	return flags
}

// variables of an environment.
type variables map[string]string

func (v variables) lookup(name string) (string, bool) {
	text, set := v[name]
	return text, set
}

// load what must not fail.
func load(t *testing.T, configMap map[string]string, arguments ...string) Effective {
	t.Helper()
	effective, err := Load(flagged(t, arguments...), variables{}.lookup, configMap)
	if err != nil {
		t.Fatal(err)
	}
	return effective
}

// setting of this name.
func setting(t *testing.T, effective Effective, name string) Setting {
	t.Helper()
	at := slices.IndexFunc(effective.Sources, func(s Setting) bool { return s.Name == name })
	if at < 0 {
		t.Fatalf("there is no entry for %s", name)
	}
	return effective.Sources[at]
}

// expect what is in force of a setting.
func expect(t *testing.T, effective Effective, name, value string, source Source) {
	t.Helper()
	if got := setting(t, effective, name); got.Value != value || got.Source != source {
		t.Errorf("%s is %q from %s, want %q from %s", name, got.Value, got.Source, value, source)
	}
}

// expectRemark tells whether an entry says why what the ConfigMap holds is not in force.
func expectRemark(t *testing.T, effective Effective, name string, reason Reason, phrases ...string) {
	t.Helper()
	got := setting(t, effective, name)
	if got.NotInForce != reason {
		t.Errorf("%s is not in force because of %q (%s), want %q", name, got.NotInForce, got.Why, reason)
	}
	for _, phrase := range phrases {
		if !strings.Contains(got.Why, phrase) {
			t.Errorf("%s: %q does not say %q", name, got.Why, phrase)
		}
	}
}
