//go:build integration

package instance

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"testing"

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
