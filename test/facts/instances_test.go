//go:build integration

package facts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/postgres/pgtest"
)

// instance is a server configured as Timonier's instances are, with the gate of a service file.
type instance struct {
	*pgtest.Server
	name string
	// changed are settings of this test, over those of instances.
	changed map[string]string
}

// each runs a test with every version, all at once.
func each(t *testing.T, test func(t *testing.T, programs pgtest.Programs)) {
	t.Helper()
	t.Parallel()
	pgtest.Each(t, func(t *testing.T, programs pgtest.Programs) {
		t.Parallel()
		test(t, programs)
	})
}

// newPrimary starts a primary named "a".
func newPrimary(t *testing.T, programs pgtest.Programs, changed map[string]string) *instance {
	t.Helper()
	settings := postgres.RenderSettings(postgres.SettingsInput{Major: programs.Major, Instance: "demo", MemoryBytes: 128 << 20})
	i := &instance{name: "a", changed: maps.Clone(changed)}
	i.Server = pgtest.Run(t, programs, pgtest.Options{Copy: templates[programs.Major], Files: map[string]string{
		"postgresql.conf": settings + "include 'changed.conf'\n",
		"changed.conf":    rendered(changed),
	}})
	return i
}

func rendered(settings map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = %s\n", name, postgres.QuoteLiteral(settings[name]))
	}
	return b.String()
}

// clone makes a standby that is not started yet, and its slot on the original.
func (i *instance) clone(t *testing.T, name string) *instance {
	t.Helper()
	c := &instance{name: name, changed: maps.Clone(i.changed), Server: pgtest.RunClone(t, i.Server)}
	delete(c.changed, "synchronous_standby_names")
	i.createSlot(t, name)
	c.configure(t, "primary_slot_name", naming.Slot(name))
	return c
}

// follower makes a standby and waits until it streams.
func (i *instance) follower(t *testing.T, name string) *instance {
	t.Helper()
	c := i.clone(t, name)
	c.attach(t, i)
	c.boot(t)
	i.awaitStreaming(t, c)
	return c
}

func (i *instance) createSlot(t *testing.T, name string) {
	t.Helper()
	conn := i.session(t)
	pgtest.Exec(t, conn, "SELECT pg_create_physical_replication_slot("+postgres.QuoteLiteral(naming.Slot(name))+", true)")
	i.closed(t, conn)
}

// attach opens the gate: the next walreceiver connects to the leader.
func (i *instance) attach(t *testing.T, leader *instance) {
	t.Helper()
	i.attachThrough(t, leader.Socket, leader.Port)
}

// attachThrough opens the gate to a leader that is reached at another host.
func (i *instance) attachThrough(t *testing.T, host string, port int) {
	t.Helper()
	content, err := postgres.ServiceFile("leader",
		postgres.ConnParameter{Key: "host", Value: host}, postgres.ConnParameter{Key: "port", Value: fmt.Sprint(port)},
		postgres.ConnParameter{Key: "user", Value: "postgres"}, postgres.ConnParameter{Key: "application_name", Value: i.name})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.ServiceFile(), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.Chown(i.ServiceFile()); err != nil {
		t.Fatal(err)
	}
}

// close closes the gate: no walreceiver can connect any more. One that runs goes on.
func (i *instance) close(t *testing.T) {
	t.Helper()
	if err := os.Remove(i.ServiceFile()); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// detach closes the gate and ends the walreceiver.
func (i *instance) detach(t *testing.T) {
	t.Helper()
	i.close(t)
	conn := i.session(t)
	await(t, "the walreceiver is gone", func() bool {
		pid := walreceiver(t, conn)
		if pid != 0 {
			signal(t, pid, syscall.SIGTERM)
		}
		return pid == 0
	})
	i.closed(t, conn)
}

// walreceiver is its process, 0 for none; pg_stat_wal_receiver would not show one that still connects.
func walreceiver(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	return process(t, conn, "walreceiver")
}

// process of a kind, 0 for none.
func process(t *testing.T, conn *pgx.Conn, kind string) int {
	t.Helper()
	return pgtest.Value[int](t, conn, "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE backend_type = $1", kind)
}

// signal a process; one that is gone already is no error.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if pid <= 0 {
		t.Fatalf("there is no process to send %s", s)
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// freeze stops a process until it is thawed, at the latest at the end of the test.
func freeze(t *testing.T, pid int) (thaw func()) {
	t.Helper()
	signal(t, pid, syscall.SIGSTOP)
	thaw = func() { signal(t, pid, syscall.SIGCONT) }
	t.Cleanup(thaw)
	return thaw
}

// boot starts the server.
func (i *instance) boot(t *testing.T) {
	t.Helper()
	if err := i.Boot(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// crash stops the server immediately.
func (i *instance) crash(t *testing.T) {
	t.Helper()
	if err := i.Crash(); err != nil {
		t.Fatal(err)
	}
}

// configure changes a setting in the files; it is loaded by reload or boot.
func (i *instance) configure(t *testing.T, name, value string) {
	t.Helper()
	if i.changed == nil {
		i.changed = map[string]string{}
	}
	i.changed[name] = value
	if err := i.WriteFile("changed.conf", rendered(i.changed)); err != nil {
		t.Fatal(err)
	}
}

// reload signals the server to load its files, and returns when a new session has the value.
func (i *instance) reload(t *testing.T, name, value string) {
	t.Helper()
	i.configure(t, name, value)
	if err := i.Reload(); err != nil {
		t.Fatal(err)
	}
	await(t, name+" is "+value+" in a new session", func() bool {
		conn := i.session(t)
		defer i.closed(t, conn)
		return pgtest.Value[string](t, conn, "SELECT current_setting($1)", name) == value
	})
}

// require makes commits wait for standbys, and returns when each commit does: a session shows it before the checkpointer takes it.
func (i *instance) require(t *testing.T, standbys string) {
	t.Helper()
	i.reload(t, "synchronous_standby_names", standbys)
	conn := i.session(t)
	pgtest.Exec(t, conn, "CHECKPOINT")
	i.closed(t, conn)
}

// session is a superuser's.
func (i *instance) session(t *testing.T) *pgx.Conn {
	t.Helper()
	return i.Conn(t, "postgres", "postgres")
}

func (i *instance) closed(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// folder makes one beside the data, the server's own.
func (i *instance) folder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(i.Data), name)
	if err := errors.Join(os.Mkdir(path, 0o700), i.Chown(path)); err != nil {
		t.Fatal(err)
	}
	return path
}

// control is what pg_controldata says, whether the server runs or not.
func (i *instance) control(t *testing.T) postgres.ControlData {
	t.Helper()
	output, err := i.Run(t.Context(), "pg_controldata", i.Data)
	if err != nil {
		t.Fatal(err)
	}
	data, err := postgres.ParseControlData(output)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// history is a history file's content; "" where there is none.
func (i *instance) history(t *testing.T, timeline int64) string {
	t.Helper()
	content, err := os.ReadFile(i.historyFile(timeline))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

func (i *instance) historyFile(timeline int64) string {
	return filepath.Join(i.wal(), postgres.HistoryFileName(timeline))
}

// wal is the folder of its WAL.
func (i *instance) wal() string { return filepath.Join(i.Data, "pg_wal") }

// segment is the file that holds a position.
func (i *instance) segment(timeline int64, at postgres.LSN) string {
	const segments = 1 << 32 / segmentSize
	number := uint64(at) / segmentSize
	return filepath.Join(i.wal(), fmt.Sprintf("%08X%08X%08X", timeline, number/segments, number%segments))
}

// fork is where a timeline left its parent, by the last line of its history.
func (i *instance) fork(t *testing.T, timeline int64) (parent int64, at postgres.LSN) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(i.history(t, timeline)), "\n")
	var text string
	if _, err := fmt.Sscan(lines[len(lines)-1], &parent, &text); err != nil {
		t.Fatalf("the history of timeline %d of %s: %v: %q", timeline, i.name, err, lines)
	}
	return parent, lsn(t, text)
}

func lsn(t *testing.T, text string) postgres.LSN {
	t.Helper()
	at, err := postgres.ParseLSN(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
