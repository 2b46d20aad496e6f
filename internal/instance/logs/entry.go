package logs

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// Entry is the part of a line of PostgreSQL's jsonlog that the manager looks at.
type Entry struct {
	Severity    string `json:"error_severity"`
	Message     string `json:"message"`
	State       string `json:"state_code"`
	BackendType string `json:"backend_type"`
}

// Fatal tells that the entry may be the reason why a server did not start or ended.
func (e Entry) Fatal() bool { return e.Severity == "FATAL" || e.Severity == "PANIC" }

// atClosedGate tells of a walreceiver that found no service file, since this instance is detached on purpose. PostgreSQL tries four times a
// second, and each would be a line.
func (e Entry) atClosedGate() bool {
	return e.BackendType == "walreceiver" && strings.Contains(e.Message, "could not connect to the primary server: service file") && strings.HasSuffix(e.Message, "not found")
}

// jsonLine makes an output line of a line of jsonlog: the same object, with one member before the others that tells
// whose it is. What is no object is text.
func jsonLine(line []byte, now time.Time) []byte {
	if len(line) < 2 || line[0] != '{' || !json.Valid(line) {
		return textLine(line, now)
	}
	output := make([]byte, 0, len(line)+24)
	output = append(output, `{"logger":"postgres",`...)
	output = append(output, line[1:]...)
	return append(output, '\n')
}

// worthless are the lines that every server writes before its collector runs: they announce that it does.
var worthless = [][]byte{
	[]byte("redirecting log output to logging collector process"),
	[]byte("Future log output will "),
	[]byte("ending log output to stderr"),
}

func isWorthless(line []byte) bool {
	for _, text := range worthless {
		if bytes.Contains(line, text) {
			return true
		}
	}
	return false
}

// textLine makes an object of a line that is none.
func textLine(line []byte, now time.Time) []byte {
	object := struct {
		Logger    string `json:"logger"`
		Timestamp string `json:"timestamp"`
		Message   string `json:"message"`
	}{"postgres", now.UTC().Format("2006-01-02 15:04:05.000 MST"), strings.ToValidUTF8(string(line), "�")}
	output, _ := json.Marshal(object) // strings always can be
	return append(output, '\n')
}

// Warnings of a commit that gave up waiting for its standbys, as src/backend/replication/syncrep.c has them in 15 and 17: cancelled by its client or by
// pg_cancel_backend, and ended by pg_terminate_backend or a shutdown. It is committed here, and perhaps nowhere else.
const (
	waitCancelled  = "canceling wait for synchronous replication"
	waitTerminated = "canceling the wait for synchronous replication and terminating connection"
)

// WaitCancelled tells that a commit was returned without having waited for its standbys, and whether its session was ended with it. Whoever may write
// functions can log the same words, and have himself counted.
func (e Entry) WaitCancelled() (cancelled, terminated bool) {
	terminated = strings.HasPrefix(e.Message, waitTerminated)
	return e.Severity == "WARNING" && (terminated || strings.HasPrefix(e.Message, waitCancelled)), terminated
}

// parse reads an entry only where it may matter: most lines need not be taken apart.
func parse(line []byte) (Entry, bool) {
	const key = `"error_severity":"`
	at := bytes.Index(line, []byte(key))
	if at < 0 {
		return Entry{}, false
	}
	rest := line[at+len(key):]
	if bytes.HasPrefix(rest, []byte("WARNING")) && bytes.Contains(rest, []byte("wait for synchronous replication")) {
		var entry Entry
		return entry, json.Unmarshal(line, &entry) == nil
	}
	for _, severity := range []string{"FATAL", "PANIC", "ERROR", "LOG"} {
		if bytes.HasPrefix(rest, []byte(severity)) {
			var entry Entry
			return entry, json.Unmarshal(line, &entry) == nil
		}
	}
	return Entry{}, false
}

// textEntry reads an entry of what the server writes to standard error before its collector runs: “FATAL:  message”.
func textEntry(line []byte) (Entry, bool) {
	for _, severity := range []string{"FATAL", "PANIC"} {
		if _, message, found := strings.Cut(string(line), severity+":  "); found {
			return Entry{Severity: severity, Message: message}, true
		}
	}
	return Entry{}, false
}
