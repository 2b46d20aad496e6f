package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestALineOfJSONLogKeepsAllItsFields(t *testing.T) {
	line := `{"timestamp":"2026-01-02 12:00:00 UTC","pid":7,"error_severity":"ERROR","message":"no \"such\" table","statement":"SELECT\n1"}`
	got := jsonLine([]byte(line), noon)
	if want := `{"logger":"postgres",` + line[1:] + "\n"; string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestWhatIsNoObjectBecomesOne(t *testing.T) {
	for _, line := range []string{"plain words", `{"half": `, "\xff\xfe", "[1, 2]", ""} {
		var object map[string]string
		output := jsonLine([]byte(line), noon)
		if err := json.Unmarshal(output, &object); err != nil || object["logger"] != "postgres" {
			t.Errorf("%q became %s: %v", line, output, err)
		}
		if bytes.Count(output, []byte("\n")) != 1 {
			t.Errorf("%q became more than one line: %q", line, output)
		}
	}
}

func TestOnlyEntriesThatMayMatterAreTakenApart(t *testing.T) {
	entry, ok := parse([]byte(`{"error_severity":"FATAL","message":"no space","backend_type":"postmaster"}`))
	if !ok || !entry.Fatal() || entry.Message != "no space" || entry.BackendType != "postmaster" {
		t.Errorf("parsed %+v, %v", entry, ok)
	}
	if _, ok := parse([]byte(`{"error_severity":"WARNING","message":"…"}`)); ok {
		t.Error("a warning was taken apart")
	}
	for message, want := range map[string]bool{
		"canceling wait for synchronous replication due to user request":                                         false,
		"canceling the wait for synchronous replication and terminating connection due to administrator command": true,
	} {
		entry, ok := parse([]byte(`{"error_severity":"WARNING","message":"` + message + `","backend_type":"client backend"}`))
		if cancelled, terminated := entry.WaitCancelled(); !ok || !cancelled || terminated != want {
			t.Errorf("%s: parsed %+v, %v", message, entry, ok)
		}
	}
	if cancelled, _ := (Entry{Severity: "LOG", Message: "canceling wait for synchronous replication"}).WaitCancelled(); cancelled {
		t.Error("what is no warning counts")
	}
	entry, ok = textEntry([]byte(`2026-01-02 12:00:00 UTC [7] FATAL:  could not access file "x"`))
	if !ok || entry.Message != `could not access file "x"` {
		t.Errorf("parsed %+v, %v", entry, ok)
	}
}

// output collects what a sink writes, and lets nothing through while it is shut.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(line)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func TestAnOutputThatTakesNothingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &output{}
		out.mu.Lock()
		s := &Sink{now: time.Now}
		s.wake = sync.NewCond(&s.mu)
		line := bytes.Repeat([]byte("x"), 1023)
		line = append(line, '\n')
		for range 2 * queueBytes / len(line) {
			if _, err := s.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		out.mu.Unlock()
		for _, line := range s.take() {
			_, _ = out.Write(line)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if want := queueBytes/len(line) + 1; len(lines) != want {
			t.Fatalf("%d lines came out, want %d", len(lines), want)
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, fmt.Sprintf(`"count":%d`, queueBytes/len(line))) {
			t.Errorf("the last line does not tell how many are missing: %s", last)
		}
	})
}

func TestPostgreSQLsPipesAreStreamedAndHandedOver(t *testing.T) {
	directory := t.TempDir()
	out := &output{}
	sink := NewSink(out, time.Now)
	var mu sync.Mutex
	var seen []Entry
	note := func(e Entry) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, e)
	}
	first, err := Open(directory, sink, note, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := first.OpenOutput()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	write := func(text string) {
		if _, err := io.WriteString(server, text); err != nil {
			t.Fatal(err)
		}
	}
	write("ending log output to stderr\n1970 FATAL:  the first\nhalf a li")
	until(t, func() bool { return strings.Contains(out.String(), "the first") })
	handover, err := first.HandOver()
	if err != nil {
		t.Fatal(err)
	}
	write("ne\nwritten while nobody reads\n")
	if _, err := TakeOver(directory, handover, sink, note, time.Now); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return strings.Contains(out.String(), "written while nobody reads") })
	if !strings.Contains(out.String(), `"message":"half a line"`) {
		t.Errorf("a line was torn:\n%s", out.String())
	}
	if strings.Contains(out.String(), "ending log output") {
		t.Error("a worthless line came through")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 1 || seen[0].Message != "the first" {
		t.Errorf("seen %+v", seen)
	}
}

// until polls what another goroutine does with a real pipe, for which there is no event.
func until(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s")
		}
	}
}
