package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

const verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func TestOnlyWhatDiffersIsAltered(t *testing.T) {
	asIs := observedRole{login: true, inherit: true, connectionLimit: -1, password: verifier}
	desired := instanceapi.Role{Name: "app", Login: true, Inherit: true, ConnectionLimit: -1, Verifier: verifier}
	if got := alterRole(desired, asIs); got != "" {
		t.Errorf("a role that is as desired is altered: %s", got)
	}
	for name, test := range map[string]struct {
		change func(*instanceapi.Role, *observedRole)
		want   string
	}{
		"login":          {func(r *instanceapi.Role, _ *observedRole) { r.Login = false }, "NOLOGIN"},
		"createDB":       {func(r *instanceapi.Role, _ *observedRole) { r.CreateDB = true }, "CREATEDB"},
		"superuser":      {func(_ *instanceapi.Role, o *observedRole) { o.superuser = true }, "NOSUPERUSER"},
		"bypassRLS":      {func(_ *instanceapi.Role, o *observedRole) { o.bypassRLS = true }, "NOBYPASSRLS"},
		"connections":    {func(r *instanceapi.Role, _ *observedRole) { r.ConnectionLimit = 5 }, "CONNECTION LIMIT 5"},
		"password":       {func(_ *instanceapi.Role, o *observedRole) { o.password = "md5x" }, "PASSWORD '" + verifier + "'"},
		"two at once":    {func(r *instanceapi.Role, _ *observedRole) { r.CreateRole, r.Inherit = true, false }, "CREATEROLE NOINHERIT"},
		"no verifier":    {func(r *instanceapi.Role, _ *observedRole) { r.Verifier = "" }, ""},
		"a quoted name":  {func(r *instanceapi.Role, _ *observedRole) { r.Name, r.Login = `a"b`, false }, "NOLOGIN"},
		"replication on": {func(r *instanceapi.Role, _ *observedRole) { r.Replication = true }, "REPLICATION"},
	} {
		role, now := desired, asIs
		test.change(&role, &now)
		want := ""
		if test.want != "" {
			want = `ALTER ROLE "` + strings.ReplaceAll(role.Name, `"`, `""`) + `" WITH ` + test.want
		}
		if got := alterRole(role, now); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestMembershipsThatAreGrantedAndRevoked(t *testing.T) {
	role := instanceapi.Role{Name: "app", Inherit: true, MemberOf: []string{"readers", "pg_monitor", "missing", "postgres", "pg_read_server_files"}}
	roles := map[string]observedRole{"readers": {}, "pg_monitor": {}, "postgres": {}, "pg_read_server_files": {}, "other": {}}
	for name, test := range map[string]struct {
		version int
		now     []membership
		want    []string
	}{
		"15, none yet": {150000, nil, []string{`GRANT "readers" TO "app"`, `GRANT "pg_monitor" TO "app"`}},
		"15, one too many": {150000, []membership{{"readers", "postgres", true, true}, {"other", "bob", true, true}, {"pg_monitor", "bob", true, true}},
			[]string{`REVOKE "other" FROM "app"`}},
		"17, none yet": {170000, nil, []string{`GRANT "readers" TO "app" WITH INHERIT true, SET TRUE`, `GRANT "pg_monitor" TO "app" WITH INHERIT true, SET TRUE`}},
		"17, not inherited, by somebody else, and the right to administer": {170000,
			[]membership{{"readers", "postgres", false, true}, {"pg_monitor", "bob", true, true}, {"other", "bob", false, true}, {"child", "postgres", false, false}},
			[]string{`GRANT "readers" TO "app" WITH INHERIT true, SET TRUE`, `GRANT "pg_monitor" TO "app" WITH INHERIT true, SET TRUE`, `REVOKE "other" FROM "app" GRANTED BY "bob"`}},
		"17, a superuser by membership": {170000, []membership{{"readers", "postgres", true, true}, {"pg_monitor", "postgres", true, true}, {"postgres", "postgres", true, true}},
			[]string{`REVOKE "postgres" FROM "app" GRANTED BY "postgres"`}},
	} {
		seen := observed{version: test.version, roles: roles, members: map[string][]membership{"app": test.now}}
		if got := membershipStatements(role, seen); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestReportsAreJoinedSortedAndBounded(t *testing.T) {
	var r reporter
	r.add(roleObject("b"), instanceapi.ObjectRefused, "one")
	r.add(roleObject("b"), instanceapi.ObjectFailed, "two")
	r.add(roleObject("a"), instanceapi.ObjectUnlisted, strings.Repeat("é", maxMessage))
	r.add(databaseObject("b"), instanceapi.ObjectFailed, "x")
	report := r.result()
	if len(report.Roles) != 2 || len(report.Databases) != 1 || report.Roles[0].Name != "a" || report.Roles[1].State != instanceapi.ObjectFailed || report.Roles[1].Message != "one; two" {
		t.Errorf("%+v", report)
	}
	if m := report.Roles[0].Message; len(m) > maxMessage || !strings.HasSuffix(m, "é…") {
		t.Errorf("a long message has %d bytes", len(m))
	}
}

func TestAPasswordInClearIsNeverSent(t *testing.T) {
	for _, password := range []string{"secret", "md5d41d8cd98f00b204e9800998ecf8427e"} {
		refusal := refuseRole(instanceapi.Role{Name: "app", Verifier: password})
		if refusal == "" || strings.Contains(refusal, password) {
			t.Errorf("%q: %q", password, refusal)
		}
	}
}
