package settings

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestALiveSettingTakesItsNewValueAtOnce(t *testing.T) {
	store := NewStore(Defaults())
	changes := store.Reload(map[string]string{"probe-interval": "5m", "max-retries": "20", "log-level": "debug"})
	want := []Change{
		{"log-level", "info", "debug", SourceConfigMap}, {"max-retries", "10", "20", SourceConfigMap}, {"probe-interval", "30m", "5m", SourceConfigMap},
	}
	if !slices.Equal(changes, want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
	if got := store.Get(); got.MaxRetries != 20 || got.ProbeInterval != 5*time.Minute || store.Level() != slog.LevelDebug {
		t.Errorf("in force are %+v", got)
	}
	expect(t, store.Effective(), "max-retries", "20", SourceConfigMap)
	expectRemark(t, store.Effective(), "max-retries", "")
}

func TestAChangeIsToldOnce(t *testing.T) {
	store := NewStore(Defaults())
	store.Reload(map[string]string{"max-retries": "20", "workers": "16"})
	if changes := store.Reload(map[string]string{"max-retries": " 20", "workers": "16"}); len(changes) > 0 {
		t.Errorf("the same ConfigMap changed %v", changes)
	}
}

func TestASettingThatNeedsARestartKeepsItsValueAndSaysSo(t *testing.T) {
	store := NewStore(load(t, map[string]string{"workers": "16"}))
	step := func(what string, configMap map[string]string, source Source, reason Reason, phrases ...string) {
		t.Helper()
		if changes := store.Reload(configMap); len(changes) > 0 {
			t.Errorf("%s: changed %v", what, changes)
		}
		if got := store.Get().Workers; got != 16 {
			t.Errorf("%s: %d workers, without a restart", what, got)
		}
		expect(t, store.Effective(), "workers", "16", source)
		expectRemark(t, store.Effective(), "workers", reason, phrases...)
	}
	step("the same", map[string]string{"workers": "16"}, SourceConfigMap, "")
	step("another one", map[string]string{"workers": "32"}, SourceConfigMap, ReasonNeedsRestart, "needs a restart", `the next start takes "32" (ConfigMap)`)
	step("yet another one", map[string]string{"workers": "64"}, SourceConfigMap, ReasonNeedsRestart, `"64"`)
	step("one that is refused", map[string]string{"workers": "0"}, SourceConfigMap, ReasonInvalid, `"0" is too small`, `the next start takes "8" (Default)`)
	step("none", nil, SourceConfigMap, ReasonNeedsRestart, "needs a restart", `the next start takes "8" (Default)`)
	step("the first one again", map[string]string{"workers": "16"}, SourceConfigMap, "")
}

func TestAValueThatIsNoOtherNeedsNoRestart(t *testing.T) {
	store := NewStore(Defaults())
	store.Reload(map[string]string{"workers": "8", "authority-lifetime": "17520h0m"})
	expect(t, store.Effective(), "workers", "8", SourceConfigMap)
	expectRemark(t, store.Effective(), "workers", "")
	expectRemark(t, store.Effective(), "authority-lifetime", "")
}

func TestWithoutItsConfigMapTheOperatorGoesBackToItsOtherSources(t *testing.T) {
	started, err := Load(flagged(t, "--quarantine-after=5m"), variables{"TIMONIER_LOG_LEVEL": "warn"}.lookup, map[string]string{"max-retries": "20"})
	if err != nil {
		t.Fatal(err)
	}
	for name, gone := range map[string]map[string]string{"deleted": nil, "emptied": {}} {
		store := NewStore(started)
		store.Reload(map[string]string{"max-retries": "30", "probe-interval": "1h", "quarantine-after": "1h", "log-level": "debug", "typo": "x"})
		want := []Change{{"max-retries", "30", "10", SourceDefault}, {"probe-interval", "1h", "30m", SourceDefault}}
		if changes := store.Reload(gone); !slices.Equal(changes, want) {
			t.Errorf("%s: changes %v, want %v", name, changes, want)
		}
		expect(t, store.Effective(), "max-retries", "10", SourceDefault)
		expect(t, store.Effective(), "quarantine-after", "5m", SourceFlag)
		expect(t, store.Effective(), "log-level", "warn", SourceEnvironment)
		for _, one := range store.Effective().Sources {
			if one.NotInForce != "" {
				t.Errorf("%s: of %s it is still said that %s", name, one.Name, one.Why)
			}
		}
	}
}

func TestAnInvalidChangeFallsBackAndLaterMends(t *testing.T) {
	store := NewStore(load(t, map[string]string{"max-retries": "20"}))
	store.Reload(map[string]string{"max-retries": "lots"})
	expect(t, store.Effective(), "max-retries", "10", SourceDefault)
	expectRemark(t, store.Effective(), "max-retries", ReasonInvalid, `"lots" is not a whole number`)
	store.Reload(map[string]string{"max-retries": "25"})
	expect(t, store.Effective(), "max-retries", "25", SourceConfigMap)
	expectRemark(t, store.Effective(), "max-retries", "")
}

func TestWhatAReaderDoesToItsCopyIsItsOwn(t *testing.T) {
	store := NewStore(load(t, nil, "--postgres-image=17=b:17"))
	store.Get().PostgresImages["17"] = "evil"
	effective := store.Effective()
	effective.Values.PostgresImages["17"] = "evil"
	effective.Sources[0].Value = "evil"
	if got := store.Get().PostgresImages["17"]; got != "b:17" {
		t.Errorf("the image of 17 is %q", got)
	}
	expect(t, store.Effective(), "namespace", "timonier-system", SourceDefault)
}

// Run with the race detector, this also holds that nothing is shared unguarded.
func TestReadersSeeOneConfigMapOrTheOtherAndNeverAMixture(t *testing.T) {
	store := NewStore(Defaults())
	early := map[string]string{"probe-interval": "2m", "probe-interval-max": "3m"}
	late := map[string]string{"probe-interval": "12h", "probe-interval-max": "24h"}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 500 {
				if v := store.Get(); v.ProbeInterval > v.ProbeIntervalMax {
					t.Errorf("%s is more than %s", v.ProbeInterval, v.ProbeIntervalMax)
				}
				if e := store.Effective(); len(e.Sources) != len(table) || short(e.Values.ProbeInterval) != e.entries.find("probe-interval").text {
					t.Errorf("values and sources are of different ConfigMaps: %v", e.Sources)
				}
				_ = store.Level()
			}
		})
	}
	for _, data := range []map[string]string{early, late} {
		all.Go(func() {
			for range 500 {
				store.Reload(data)
			}
		})
	}
	all.Wait()
}
