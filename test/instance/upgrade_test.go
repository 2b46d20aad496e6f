//go:build integration

package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// replace uploads a program.
func (p *pod) replace(file, hash string) error {
	program, err := os.Open(file)
	p.w.check(err)
	defer func() { _ = program.Close() }()
	info, err := program.Stat()
	p.w.check(err)
	_, err = p.client.Replace(p.w.ctx, program, info.Size(), hash)
	return err
}

func hashOf(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func TestTheManagerIsReplacedWhilePostgreSQLGoesOn(t *testing.T) {
	w := cluster(t, 2)
	for n := 2; n >= 1; n-- {
		p := w.pods[n]
		before, serving := p.answers(), p.serving()
		conn, err := p.connect()
		w.check(err)
		_, err = conn.Exec(w.ctx, "BEGIN")
		w.check(err)
		if n == 1 {
			_, err = conn.Exec(w.ctx, "INSERT INTO notes VALUES ('across')")
			w.check(err)
		}
		w.check(p.replace(env.program2, hashOf(t, env.program2)))
		w.eventually("the other version runs", func() bool {
			status := p.status()
			return status.Manager.Hash == hashOf(t, env.program2) && status.Ready && status.State == serving
		})
		after := p.answers()
		if after.Manager.Version != "1.0.1-test" || after.Postgres.PID != before.Postgres.PID || !after.Postgres.StartedAt.Equal(before.Postgres.StartedAt) {
			t.Errorf("%s was %+v %+v, and is %+v %+v", p.name, before.Manager, before.Postgres, after.Manager, after.Postgres)
		}
		_, err = conn.Exec(w.ctx, "COMMIT")
		w.check(err)
		w.check(conn.Close(w.ctx))
	}
	w.pods[2].reads(notes, "across first")
	if after := w.record(); after.Term != 1 {
		t.Errorf("the term became %d", after.Term)
	}
	// Everything still works: a reload, a restart, and the log.
	w.parameters = map[string]string{"max_connections": "120"}
	w.pods[1].configure()
	w.pods[1].restart()
	w.pods[1].logs("max_connections")
}

// The first version of the manager knew of no quorum. What it has left: commits that wait for nobody, identities that tell less, and, since it led while its
// standbys had been replaced already, members under what it took for their incarnations.
func TestAClusterOfTheFirstManagerTurnsSynchronousWithoutARestart(t *testing.T) {
	w := cluster(t, 3, func(w *world) {
		w.asked = func(a *instanceapi.Availability) { a.Mode = instanceapi.ModeAsynchronous }
	})
	w.eventually("members are published", func() bool { return len(w.record().Quorum.Members) == 3 })
	leader := w.pods[1]
	session, err := leader.connect()
	w.check(err)
	before, members := map[string]*instanceapi.Postgres{}, map[string]string{}
	for _, p := range w.pods {
		status := p.answers()
		before[p.name], members[status.Volume.Incarnation] = status.Postgres, p.name
	}
	w.rewriteLease(func(record *election.Record) {
		record.Quorum.Members = map[string]string{record.HolderIncarnation: record.Holder}
		for incarnation, name := range members {
			if name != record.Holder {
				record.Quorum.Members[incarnation+".1"] = name
			}
		}
	})
	w.asked = nil
	for n := 3; n >= 1; n-- {
		p := w.pods[n]
		p.tellsLess()
		w.check(p.replace(env.program2, hashOf(t, env.program2)))
		w.eventually("the other version runs", func() bool {
			status := p.status()
			return status.Manager.Hash == hashOf(t, env.program2) && status.Ready
		})
		p.configure()
	}
	w.eventually("a commit is on two of the three copies that there are", func() bool {
		quorum := w.record().Quorum
		return quorum.Mode == election.ModeQuorum && quorum.Required == 2 && maps.Equal(quorum.Members, members)
	})
	for _, p := range w.pods {
		if now := p.answers().Postgres; now.PID != before[p.name].PID || !now.StartedAt.Equal(before[p.name].StartedAt) {
			t.Errorf("postgres of %s was process %d since %s, and is %d since %s", p.name, before[p.name].PID, before[p.name].StartedAt, now.PID, now.StartedAt)
		}
	}
	w.check(session.Ping(w.ctx))
	w.eventually("postgres waits for a standby", func() bool {
		names, err := leader.query("SHOW synchronous_standby_names")
		return err == nil && strings.HasPrefix(names, "ANY 1")
	})
	leader.kill()
	w.succeeds(leader)
}

// tellsLess leaves in the identity what the first version of the manager wrote.
func (p *pod) tellsLess() {
	p.w.t.Helper()
	file := filepath.Join(p.directory, "data", "identity.json")
	content, err := os.ReadFile(file)
	p.w.check(err)
	var identity map[string]any
	p.w.check(json.Unmarshal(content, &identity))
	for _, later := range []string{"lineage", "told", "toldTerm", "record"} {
		delete(identity, later)
	}
	identity["history"] = []election.Fork{{Term: 1, Timeline: 1, At: "0/0"}}
	content, err = json.Marshal(identity)
	p.w.check(err)
	p.w.check(os.WriteFile(file, content, 0o600))
	p.w.check(os.Chown(file, podUID, 10001))
}

func TestAProgramThatIsNotWhatWasAnnouncedIsNotRun(t *testing.T) {
	w := cluster(t, 1)
	before := w.pods[1].answers().Manager
	broken := w.directory + "/broken"
	w.check(os.WriteFile(broken, []byte("#!/no/such/interpreter\n"), 0o755))
	for what, err := range map[string]error{
		"another hash":              w.pods[1].replace(env.program2, "00"),
		"a program that cannot run": w.pods[1].replace(broken, hashOf(t, broken)),
	} {
		if refused, ok := instanceapi.Refused(err); !ok || refused.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %v; want a refusal", what, err)
		}
	}
	if after := w.pods[1].answers().Manager; after != before {
		t.Errorf("the manager was %+v, and is %+v", before, after)
	}
}

// It is the leader, and its new program does not know what it leads.
func TestALeaderWhoseCopyCannotBeReadByItsNewManagerIsStoppedAndSucceeded(t *testing.T) {
	w := synchronous(t, 2)
	former := w.named(w.record().Holder)
	server := fmt.Sprint(former.answers().Postgres.PID)
	identity := filepath.Join(former.directory, "data/identity.json")
	kept, err := os.ReadFile(identity)
	w.check(err)
	w.check(os.Remove(identity))
	w.check(os.Mkdir(identity, 0o700))
	w.check(former.replace(env.program2, hashOf(t, env.program2)))
	w.eventually("its server is stopped", func() bool { return former.inside("kill", "-0", server) != nil })
	w.succeeds(former)
	w.check(os.Remove(identity))
	w.check(os.WriteFile(identity, kept, 0o600))
	w.check(os.Chown(identity, podUID, 10001))
	former.becomes(instanceapi.StateStreaming)
	former.reads(notes, "first second")
}
