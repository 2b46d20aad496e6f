package settings

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAnInvalidConfigMapNeverEndsTheStartAndItsEntrySaysWhy(t *testing.T) {
	effective := load(t, map[string]string{
		"workers": "many", "max-retries": "2", "log-level": "", "postgres-image": "postgres:17", "namespace": "elsewhere",
		"quarantine-after": "20m", "manager-image": "registry.example/timonier:v2",
	}, "--max-retries=20", "--manager-image=registry.example/timonier:v1")
	expect(t, effective, "workers", "8", SourceDefault)
	expectRemark(t, effective, "workers", ReasonInvalid, `invalid: "many" is not a whole number`, "from 1 to 256")
	expect(t, effective, "max-retries", "20", SourceFlag)
	expectRemark(t, effective, "max-retries", ReasonInvalid, `invalid: "2" is too small`)
	expect(t, effective, "log-level", "info", SourceDefault)
	expectRemark(t, effective, "log-level", ReasonInvalid, `invalid: "" is not a level`)
	expect(t, effective, "postgres-image", "", SourceDefault)
	expectRemark(t, effective, "postgres-image", ReasonInvalid, `"postgres:17"`)
	expect(t, effective, "namespace", "timonier-system", SourceDefault)
	expectRemark(t, effective, "namespace", ReasonInvalid, "found in this namespace", "--namespace", "TIMONIER_NAMESPACE")
	// And what is right is in force beside it, or says what goes before it.
	expect(t, effective, "quarantine-after", "20m", SourceConfigMap)
	expectRemark(t, effective, "quarantine-after", "")
	expect(t, effective, "manager-image", "registry.example/timonier:v1", SourceFlag)
	expectRemark(t, effective, "manager-image", ReasonOverridden, "overridden by the flag --manager-image")
}

func TestTheEnvironmentThatGoesBeforeTheConfigMapIsNamed(t *testing.T) {
	effective, err := Load(flagged(t), variables{"TIMONIER_WORKERS": "4"}.lookup, map[string]string{"workers": "16"})
	if err != nil {
		t.Fatal(err)
	}
	expectRemark(t, effective, "workers", ReasonOverridden, "overridden by the environment variable TIMONIER_WORKERS")
}

func TestValuesOfTheConfigMapThatAreOutOfOrderGiveWay(t *testing.T) {
	for name, test := range map[string]struct {
		configMap            map[string]string
		arguments            []string
		lower, upper         string
		lowerWhy, upperWhy   string
		lowerFrom, upperFrom Source
	}{
		"both in order": {map[string]string{"probe-interval": "8h", "probe-interval-max": "12h"}, nil,
			"8h", "12h", "", "", SourceConfigMap, SourceConfigMap},
		"equal": {map[string]string{"probe-interval": "6h"}, nil,
			"6h", "6h", "", "", SourceConfigMap, SourceDefault},
		"first try after the default for the last": {map[string]string{"probe-interval": "12h"}, nil,
			"30m", "6h", `"12h" is more than probe-interval-max, which is 6h; write at most`, "", SourceDefault, SourceDefault},
		"last try before the default for the first": {map[string]string{"probe-interval-max": "10m"}, nil,
			"30m", "6h", "", `"10m" is less than probe-interval, which is 30m; write at least`, SourceDefault, SourceDefault},
		"the last alone is wrong": {map[string]string{"probe-interval": "2h", "probe-interval-max": "1h"}, nil,
			"2h", "6h", "", `"1h" is less than probe-interval, which is 2h`, SourceConfigMap, SourceDefault},
		"both are wrong": {map[string]string{"probe-interval": "12h", "probe-interval-max": "8h"}, nil,
			"30m", "6h", `"12h" is more than`, `"8h" is less than`, SourceDefault, SourceDefault},
		"against a flag for the first": {map[string]string{"probe-interval-max": "1h"}, []string{"--probe-interval=2h"},
			"2h", "6h", "", `"1h" is less than probe-interval, which is 2h`, SourceFlag, SourceDefault},
		"against a flag for the last": {map[string]string{"probe-interval": "2h"}, []string{"--probe-interval-max=1h"},
			"30m", "1h", `"2h" is more than probe-interval-max, which is 1h`, "", SourceDefault, SourceFlag},
	} {
		t.Run(name, func(t *testing.T) {
			effective := load(t, test.configMap, test.arguments...)
			expect(t, effective, "probe-interval", test.lower, test.lowerFrom)
			expect(t, effective, "probe-interval-max", test.upper, test.upperFrom)
			for name, why := range map[string]string{"probe-interval": test.lowerWhy, "probe-interval-max": test.upperWhy} {
				if why == "" {
					expectRemark(t, effective, name, "")
				} else {
					expectRemark(t, effective, name, ReasonInvalid, why)
				}
			}
			if v := effective.Values; v.ProbeInterval > v.ProbeIntervalMax {
				t.Errorf("%s is more than %s", v.ProbeInterval, v.ProbeIntervalMax)
			}
		})
	}
}

func TestAnUnknownKeySaysWhichSettingItMayHaveMeant(t *testing.T) {
	for key, want := range map[string]string{
		"max-retrys":                    "did you mean max-retries?",
		"Workers":                       "did you mean workers?",
		"TIMONIER_QUARANTINE_AFTER":     "did you mean quarantine-after?",
		"probe.interval.max":            "did you mean probe-interval-max?",
		"loglevel":                      "did you mean log-level?",
		"namespaces":                    "the operator has no such setting",
		"favourite-colour":              "the operator has no such setting",
		strings.Repeat("max-retry", 99): "the operator has no such setting",
	} {
		effective := load(t, map[string]string{key: "5"})
		expectRemark(t, effective, bounded(key), ReasonUnknown, "unknown key: "+want)
		if len(effective.Sources) != len(table)+1 {
			t.Errorf("%d entries for %d settings and one key", len(effective.Sources), len(table))
		}
	}
}

func TestUnknownKeysAreSortedAndTheirNumberIsBounded(t *testing.T) {
	data := map[string]string{}
	for i := range 1000 {
		data[fmt.Sprintf("key-%04d", i)] = "x"
		data[fmt.Sprintf("%s%04d", strings.Repeat("k", shown), i)] = "x"
	}
	keys := load(t, data).Sources[len(table):]
	if len(keys) != mostUnknown {
		t.Errorf("%d unknown keys are told of", len(keys))
	}
	if !slices.IsSortedFunc(keys, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("not sorted: %v", keys)
	}
	alike := load(t, map[string]string{strings.Repeat("k", shown) + "a": "x", strings.Repeat("k", shown) + "b": "x"}).Sources[len(table):]
	if len(alike) != 1 {
		t.Errorf("two keys that are one when cut are told of as %v", alike)
	}
}
