package settings

import (
	"maps"
	"strings"
	"testing"
	"time"
)

func TestAFlagGoesBeforeTheEnvironmentAndThatBeforeTheConfigMapAndThatBeforeTheDefault(t *testing.T) {
	flag, environment, configMap := []string{"--workers=16"}, variables{"TIMONIER_WORKERS": "32"}, map[string]string{"workers": "64"}
	for name, test := range map[string]struct {
		flag        []string
		environment variables
		configMap   map[string]string
		want        int
		source      Source
	}{
		"all three":                     {flag, environment, configMap, 16, SourceFlag},
		"flag and ConfigMap":            {flag, nil, configMap, 16, SourceFlag},
		"environment and ConfigMap":     {nil, environment, configMap, 32, SourceEnvironment},
		"ConfigMap":                     {nil, nil, configMap, 64, SourceConfigMap},
		"nothing":                       {nil, nil, nil, 8, SourceDefault},
		"a flag that says the default":  {[]string{"--workers=8"}, environment, configMap, 8, SourceFlag},
		"an environment that is empty":  {nil, variables{"TIMONIER_WORKERS": " "}, configMap, 64, SourceConfigMap},
		"a ConfigMap of other settings": {nil, nil, map[string]string{"max-retries": "5"}, 8, SourceDefault},
	} {
		t.Run(name, func(t *testing.T) {
			effective, err := Load(flagged(t, test.flag...), test.environment.lookup, test.configMap)
			if err != nil {
				t.Fatal(err)
			}
			if got := setting(t, effective, "workers"); effective.Values.Workers != test.want || got.Source != test.source {
				t.Errorf("%d workers from %s, want %d from %s", effective.Values.Workers, got.Source, test.want, test.source)
			}
		})
	}
}

func TestEverySettingCanBeSetByItsFlagAndByItsEnvironmentVariable(t *testing.T) {
	arguments, environment := []string{}, variables{}
	for _, d := range table {
		arguments = append(arguments, "--"+d.name+"="+sample(t, d.kind))
		environment[d.environment()] = sample(t, d.kind)
	}
	byFlags := load(t, nil, arguments...)
	byEnvironment, err := Load(flagged(t), environment.lookup, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range table {
		read, err := d.read(sample(t, d.kind))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, byFlags, d.name, read.text, SourceFlag)
		expect(t, byEnvironment, d.name, read.text, SourceEnvironment)
	}
}

func TestEverySettingThatTheConfigMapCanSetIsSetByIt(t *testing.T) {
	data := map[string]string{}
	for _, d := range table {
		data[d.name] = sample(t, d.kind) + "\n" // as YAML writes a block
	}
	effective := load(t, data)
	for _, d := range table {
		if d.notInConfigMap != "" {
			expect(t, effective, d.name, d.initial, SourceDefault)
			expectRemark(t, effective, d.name, ReasonInvalid, "cannot set it", d.notInConfigMap, "--"+d.name, d.environment())
			continue
		}
		read, err := d.read(sample(t, d.kind))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, effective, d.name, read.text, SourceConfigMap)
		expectRemark(t, effective, d.name, "")
	}
}

func TestAllThatFlagsAndEnvironmentSayWronglyIsToldAtOnce(t *testing.T) {
	_, err := Load(flagged(t, "--workers=many", "--max-retries=2", "--probe-address=8081"),
		variables{"TIMONIER_QUARANTINE_AFTER": "10", "TIMONIER_WORKERS": "1000"}.lookup, nil)
	if err == nil {
		t.Fatal("nothing is said to be wrong")
	}
	for _, phrase := range []string{
		`workers: the flag --workers says "many", which is not a whole number; write a whole number from 1 to 256`,
		`workers: the environment variable TIMONIER_WORKERS says "1000", which is too great; write a whole number from 1 to 256`,
		`max-retries: the flag --max-retries says "2", which is too small; write a whole number from 3 to 1000`,
		`probe-address: the flag --probe-address says "8081", which is not an address; write one with its port`,
		`quarantine-after: the environment variable TIMONIER_QUARANTINE_AFTER says "10", which is not a duration; write one from 10s to 24h`,
	} {
		if !strings.Contains(err.Error(), phrase) {
			t.Errorf("it is not said that %s:\n%v", phrase, err)
		}
	}
}

func TestFlagsAndEnvironmentMustBeInOrderWhateverTheConfigMapHolds(t *testing.T) {
	mending := map[string]string{"probe-interval-max": "24h"}
	_, err := Load(flagged(t, "--probe-interval=12h", "--authority-lifetime=1h"), variables{"TIMONIER_CERTIFICATE_LIFETIME": "2h"}.lookup, mending)
	if err == nil {
		t.Fatal("without the ConfigMap, a first try would come later than the last")
	}
	for _, phrase := range []string{
		"probe-interval is 12h (Flag), which is more than probe-interval-max, which is 6h (Default)",
		"certificate-lifetime is 2h (Environment), which is more than authority-lifetime, which is 1h (Flag)",
		"lower the one or raise the other",
	} {
		if !strings.Contains(err.Error(), phrase) {
			t.Errorf("it is not said that %s:\n%v", phrase, err)
		}
	}
}

func TestAMapIsGivenInOneFlagOrInSeveral(t *testing.T) {
	want := map[string]string{"15": "a/postgres:15", "17": "c/postgres:17"}
	for name, arguments := range map[string][]string{
		"one":               {"--postgres-image=17=c/postgres:17,15=a/postgres:15"},
		"several":           {"--postgres-image=15=a/postgres:15", "--postgres-image=17=c/postgres:17"},
		"the last one wins": {"--postgres-image=15=a/postgres:15,17=b/postgres:17", "--postgres-image", "17=c/postgres:17"},
	} {
		effective := load(t, nil, arguments...)
		if got := effective.Values.PostgresImages; !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		expect(t, effective, "postgres-image", "15=a/postgres:15,17=c/postgres:17", SourceFlag)
	}
}

func TestHelpShowsEachDefaultAndItsEnvironmentVariable(t *testing.T) {
	help := flagged(t).FlagUsages()
	for _, phrase := range []string{
		"--workers int", "(TIMONIER_WORKERS) (default 8)", "--probe-interval duration", "(default 30m)", "--namespace string",
		`(default "timonier-system")`, "--postgres-image key=value,...", "--log-level level",
	} {
		if !strings.Contains(help, phrase) {
			t.Errorf("--help does not show %s:\n%s", phrase, help)
		}
	}
}

func TestWithoutAnythingTheDefaultsAreInForce(t *testing.T) {
	got := Defaults().Values
	if got.Namespace != "timonier-system" || got.Workers != 8 || got.MaxRetries != 10 || got.QuarantineAfter != 10*time.Minute ||
		got.ProbeInterval != 30*time.Minute || got.ProbeIntervalMax != 6*time.Hour || len(got.PostgresImages) != 0 {
		t.Errorf("%+v", got)
	}
}
