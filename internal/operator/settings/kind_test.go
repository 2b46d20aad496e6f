package settings

import (
	"strings"
	"testing"
	"time"
)

func TestTextsAreShownInOneForm(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"workers", " 8\n", "8"},
		{"workers", "+12", "12"},
		{"quarantine-after", "600s", "10m"},
		{"quarantine-after", "1h30m0s", "1h30m"},
		{"quarantine-after", "90s", "1m30s"},
		{"authority-lifetime", "17520h", "17520h"},
		{"log-level", "WARN", "warn"},
		{"manager-image", "", ""},
		{"postgres-image", "17=b:17, 15=a@sha256:0123 ,", "15=a@sha256:0123,17=b:17"},
		{"postgres-image", "", ""},
		{"metrics-address", "0", "0"},
		{"metrics-address", "[::1]:8080", "[::1]:8080"},
	} {
		if got, err := Defaults().entries.find(test.name).read(test.text); err != nil || got.text != test.want {
			t.Errorf("%s: %q is shown as %q (%v), want %q", test.name, test.text, got.text, err, test.want)
		}
	}
}

func TestARefusalSaysWhatIsWrongAndWhatWouldBeRight(t *testing.T) {
	for _, test := range []struct{ name, text, wrong, right string }{
		{"workers", "", "is not a whole number", "from 1 to 256"},
		{"workers", "1.5", "is not a whole number", "from 1 to 256"},
		{"workers", "0", "is too small", "from 1 to 256"},
		{"max-retries", "1001", "is too great", "from 3 to 1000"},
		{"quarantine-after", "7 days", "is not a duration", "such as 90s, 10m or 1h30m"},
		{"quarantine-after", "9s", "is too short", "from 10s to 24h"},
		{"quarantine-after", "24h1s", "is too long", "from 10s to 24h"},
		{"authority-lifetime", "0", "is too short", "from 5m to"},
		{"log-level", "verbose", "is not a level", "debug, info, warn or error"},
		{"log-level", "", "is not a level", "debug, info, warn or error"},
		{"namespace", " ", "is empty", "write one"},
		{"manager-image", "my image", "is not an image", "registry.example/timonier:v1"},
		{"metrics-address", "", "is not an address", ":8080"},
		{"metrics-address", "localhost", "is not an address", ":8080"},
		{"metrics-address", ":99999", "is not an address", "0 to serve none"},
		{"postgres-image", "registry.example/postgres:17", `has "registry.example/postgres:17", which is no major version`, "17=registry.example/postgres:17"},
		{"postgres-image", "17=", `has "17="`, "17=registry.example/postgres:17"},
		{"postgres-image", "15=a:15,=b:17", `has "=b:17"`, "17=registry.example/postgres:17"},
		{"postgres-image", "17=b:17\n15=a:15", "line break", "one line"},
		{"pod-name", "a\x00b", "control character", "plain text"},
		{"pod-name", "a\xffb", "control character", "plain text"},
		{"pod-name", strings.Repeat("x", longest+1), "has 2001 bytes", "at most 2000"},
	} {
		_, err := Defaults().entries.find(test.name).read(test.text)
		if err == nil {
			t.Errorf("%s takes %q", test.name, test.text)
			continue
		}
		if wrong, right, _ := strings.Cut(err.Error(), "; "); !strings.Contains(wrong, test.wrong) || !strings.Contains(right, test.right) {
			t.Errorf("%s: %q is refused with %q", test.name, test.text, err)
		}
	}
}

func TestADurationIsWrittenAsAPersonWould(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		time.Hour + 20*time.Second: "1h0m20s", 1500 * time.Millisecond: "1.5s", 20 * time.Hour: "20h",
	} {
		if got := short(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestALongTextIsCutToWhatALabelHolds(t *testing.T) {
	for text, want := range map[string]string{
		"short":                                   "short",
		strings.Repeat("x", shown):                strings.Repeat("x", shown),
		strings.Repeat("x", shown+1):              strings.Repeat("x", shown) + "…",
		strings.Repeat("x", shown-1) + "é and on": strings.Repeat("x", shown-1) + "…",
		"a\xffb": "a\uFFFDb",
	} {
		if got := bounded(text); got != want {
			t.Errorf("%q is cut to %q, want %q", text, got, want)
		}
	}
}
