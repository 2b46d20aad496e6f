package programs

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestComplaintsAreWhatPostgreSQLSaysOfTheCause(t *testing.T) {
	err := failure("postgres", errors.New("exit status 1"), `2026-01-02 12:00:00.000 UTC [7] LOG:  unrecognized configuration parameter "no_such" in file "/run/c.conf" line 3
2026-01-02 12:00:00.000 UTC [7] LOG:  invalid value for parameter "work_mem": "much"
2026-01-02 12:00:00.000 UTC [7] FATAL:  configuration file "/run/c.conf" contains errors
`)
	want := []string{`unrecognized configuration parameter "no_such" in file "/run/c.conf" line 3`, `invalid value for parameter "work_mem": "much"`}
	if got := Complaints(err); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAFailureWithoutWordsStillTellsSomething(t *testing.T) {
	if got := Complaints(failure("initdb", errors.New("signal: killed"), "")); !slices.Equal(got, []string{"initdb: signal: killed"}) {
		t.Errorf("got %q", got)
	}
	if got := failure("initdb", errors.New("exit status 1"), strings.Repeat("x", 5000)).Error(); len(got) > 2200 {
		t.Errorf("the error has %d bytes", len(got))
	}
}

func TestOnlyAProgramThatEndedByItselfAndSaidWhyHasJudged(t *testing.T) {
	ended := func(script string) error { return exec.CommandContext(t.Context(), "sh", "-c", script).Run() }
	for sentence, tc := range map[string]struct {
		err  error
		want bool
	}{
		"it complained":           {failure("postgres", ended("exit 1"), "unrecognized"), true},
		"it was killed":           {failure("postgres", ended("kill -KILL $$"), "some output"), false},
		"it said nothing":         {failure("postgres", ended("exit 1"), ""), false},
		"it could not be started": {failure("postgres", os.ErrNotExist, ""), false},
		"nobody waits any more":   {context.Canceled, false},
	} {
		if got := Complained(tc.err); got != tc.want {
			t.Errorf("%s: %t", sentence, got)
		}
	}
}

func TestAUIDHasTheNameThatItsPasswdFileGivesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(file, []byte("root:x:0:0::/:/bin/sh\npostgres:x:26:26::/:/bin/sh\nbroken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[int]string{0: "root", 26: "postgres", 123456: ""} {
		if got := passwdName(file, uid); got != want {
			t.Errorf("UID %d is %q, want %q", uid, got, want)
		}
	}
	if got := passwdName(file+".missing", 0); got != "" {
		t.Errorf("without a file: %q", got)
	}
}
