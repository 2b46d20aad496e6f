package debian

import "testing"

func TestChosenPackagesAreReadFromTheSimulation(t *testing.T) {
	tests := []struct {
		line, name, version string
		found               bool
	}{
		{"Inst libc6 (2.41-12 Debian:13.2/stable [amd64])", "libc6", "2.41-12", true},
		{"Inst perl [5.36] (5.40 Debian:13/stable [amd64]) []", "perl", "5.40", true},
		{"Inst zlib1g:amd64 (1:1.3 Debian:13/stable [amd64])", "zlib1g", "1:1.3", true},
		{"Conf libc6 (2.41-12 Debian:13.2/stable [amd64])", "", "", false},
		{"Reading package lists...", "", "", false},
	}
	for _, test := range tests {
		name, version, found := parseInst(test.line)
		if name != test.name || version != test.version || found != test.found {
			t.Errorf("%q: got %q %q %v", test.line, name, version, found)
		}
	}
}

func TestUpstreamVersionsHaveNoEpochAndNoRevision(t *testing.T) {
	for version, want := range map[string]string{
		"17.12-0+deb13u1": "17.12", "1:1.24.1-1": "1.24.1", "20250419": "20250419", "2.12+dfsg-really1-3": "2.12+dfsg-really1",
	} {
		if got := (Package{Version: version}).Upstream(); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}
