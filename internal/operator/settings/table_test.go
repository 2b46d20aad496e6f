package settings

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestEverySettingHasADefaultWithinItsOwnBoundsAndSaysWhatItDoes(t *testing.T) {
	names := map[string]bool{}
	for _, d := range table {
		read, err := d.read(d.initial)
		if err != nil {
			t.Errorf("the default of %s, %q, %v", d.name, d.initial, err)
		} else if read.text != d.initial {
			t.Errorf("the default of %s is written %q, and shown as %q", d.name, d.initial, read.text)
		}
		if d.does == "" || strings.Contains(d.does, "`") {
			t.Errorf("%s says of what it does: %q", d.name, d.does)
		}
		if names[d.name] || !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(d.name) {
			t.Errorf("%q is there twice, or not in kebab case", d.name)
		}
		if d.live && d.notInConfigMap != "" {
			t.Errorf("%s is live, and nothing that changes can set it", d.name)
		}
		names[d.name] = true
	}
	if failures := Defaults().entries.outOfOrder(); len(failures) > 0 {
		t.Errorf("the defaults are out of order: %v", failures)
	}
}

func TestEveryEnvironmentNameIsUniqueAndNoneThatKubernetesSetsForAService(t *testing.T) {
	ofServices := regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_.*)?)$`)
	names := map[string]bool{}
	for _, d := range table {
		name := d.environment()
		if names[name] || ofServices.MatchString(name) || !strings.HasPrefix(name, "TIMONIER_") {
			t.Errorf("%s would be set by %s", d.name, name)
		}
		names[name] = true
	}
	if !names["TIMONIER_PROBE_INTERVAL_MAX"] {
		t.Errorf("probe-interval-max is not set by TIMONIER_PROBE_INTERVAL_MAX: %v", names)
	}
}

// sample is a text that stores something other than zero.
func sample(t *testing.T, k kind) string {
	t.Helper()
	switch k := k.(type) {
	case number:
		return fmt.Sprint(k.most)
	case period:
		return k.most.String()
	case level:
		return "error"
	case pairs:
		return "17=registry.example/postgres:17"
	case plain:
		return "0" // an address too
	}
	t.Fatalf("no sample of a %T", k)
	return ""
}

func TestEveryFieldOfValuesIsReachedByExactlyOneSetting(t *testing.T) {
	reached := make([][]string, reflect.TypeFor[Values]().NumField())
	for _, d := range table {
		read, err := d.read(sample(t, d.kind))
		if err != nil {
			t.Errorf("%s: the sample %v", d.name, err)
			continue
		}
		var values Values
		read.store(&values)
		for i := range reached {
			if !reflect.ValueOf(values).Field(i).IsZero() {
				reached[i] = append(reached[i], d.name)
			}
		}
	}
	for i, by := range reached {
		field := reflect.TypeFor[Values]().Field(i).Name
		if len(by) != 1 {
			t.Errorf("%s is reached by %v", field, by)
			continue
		}
		// PostgresImages is a map of what postgres-image gives one by one.
		if kebab := strings.ReplaceAll(by[0], "-", ""); !strings.HasPrefix(strings.ToLower(field), kebab) {
			t.Errorf("%s is reached by %s", field, by[0])
		}
	}
}

func TestSettingsThatMustBeInOrderChangeTogether(t *testing.T) {
	all := Defaults().entries
	for _, rule := range orders {
		lower, upper := all.find(rule.lower), all.find(rule.upper)
		if lower.live != upper.live {
			t.Errorf("one of %s and %s waits for a restart, and the other does not", rule.lower, rule.upper)
		}
		if (lower.notInConfigMap == "") != (upper.notInConfigMap == "") {
			t.Errorf("the ConfigMap can set one of %s and %s alone", rule.lower, rule.upper)
		}
	}
}

func TestTheReferenceHasARowForEverySetting(t *testing.T) {
	content, err := os.ReadFile("../../../docs/reference/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	rows := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "| `--") {
			rows++
		}
	}
	if rows != len(table) {
		t.Errorf("docs/reference/settings.md has %d rows for %d settings", rows, len(table))
	}
	for _, d := range table {
		key, initial, live := "`"+d.name+"`", "empty", "no"
		if d.notInConfigMap != "" {
			key = "none"
		}
		if d.initial != "" {
			initial = "`" + d.initial + "`"
		}
		if d.live {
			live = "yes"
		}
		row := fmt.Sprintf("| `--%s` | `%s` | %s | %s | %s |", d.name, d.environment(), key, initial, live)
		if !strings.Contains(string(content), "\n"+row) {
			t.Errorf("docs/reference/settings.md has no row that begins with %s", row)
		}
	}
}
