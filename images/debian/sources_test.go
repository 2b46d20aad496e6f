package debian

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheMirrorIsFoundInAptSources(t *testing.T) {
	const release = "ID=debian\nVERSION_CODENAME=bookworm\n"
	tests := map[string]struct {
		files map[string]string
		want  Mirrors
	}{
		"deb822": {
			files: map[string]string{"sources.list.d/debian.sources": "" +
				"Types: deb deb-src\n# a comment\nURIs: http://mirror.test/debian/\nSuites: bookworm bookworm-updates\n" +
				"Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n" +
				"Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\nComponents: main\n"},
			want: Mirrors{Archive: "http://mirror.test/debian", Security: "http://mirror.test/security"},
		},
		"one line each": {
			files: map[string]string{"sources.list": "" +
				"# deb http://old.test/debian bookworm main\n" +
				"deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main non-free # ours\n" +
				"deb-src http://source.test/debian bookworm main\n" +
				"deb http://mirror.test/debian-security bookworm-security main\n"},
			want: Mirrors{Archive: "http://mirror.test/debian", Security: "http://mirror.test/debian-security"},
		},
		"a vendor uses Debian's suite names": {
			files: map[string]string{
				"sources.list.d/a-vendor.list": "deb http://vendor.test/apt bookworm main\n",
				"sources.list.d/b.sources": "Types: deb\nURIs: http://mirror.test/d\nSuites: bookworm\nComponents: main\n" +
					"Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
			},
			want: Mirrors{Archive: "http://mirror.test/d"},
		},
		"a disabled stanza and another component do not count": {
			files: map[string]string{
				"sources.list.d/a.sources": "Types: deb\nURIs: http://off.test/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
				"sources.list":             "deb http://other.test/debian bookworm stable\ndeb http://mirror.test/x bookworm main\n",
			},
			want: Mirrors{Archive: "http://mirror.test/x"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root := machine(t, release, test.files)
			got, err := HostMirrors(root)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("found %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestAMachineWithoutDebianMirrorIsToldWhatToDo(t *testing.T) {
	for name, root := range map[string]string{
		"no entry":   machine(t, "VERSION_CODENAME=jammy\n", map[string]string{"sources.list": "deb http://m.test/debian bookworm main\n"}),
		"no release": machine(t, "ID=other\n", nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := HostMirrors(root)
			if err == nil || !strings.Contains(err.Error(), "--mirror") {
				t.Errorf("error %v does not say to pass --mirror", err)
			}
		})
	}
}

// machine lays out the files of /etc that sources are read from.
func machine(t *testing.T, release string, apt map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{"etc/os-release": release}
	for name, content := range apt {
		files["etc/apt/"+name] = content
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
