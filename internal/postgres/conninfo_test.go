package postgres

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestConninfoIsQuoted(t *testing.T) {
	got := Conninfo(ConnParameter{"host", "db"}, ConnParameter{"user", ""}, ConnParameter{"password", `it's a \ b`})
	if want := `host='db' password='it\'s a \\ b'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAServiceFileHoldsOneService(t *testing.T) {
	got, err := ServiceFile("leader", ConnParameter{"host", "db"}, ConnParameter{"port", ""}, ConnParameter{"sslmode", "verify-full"})
	if want := "[leader]\nhost=db\nsslmode=verify-full\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for name, p := range map[string]ConnParameter{
		"a line break":       {"password", "secret\nhost=evil"},
		"a blank at its end": {"password", "secret "},
		"a key of two words": {"pass word", "a"},
		"a service in it":    {"service", "other"},
		"a very long value":  {"password", strings.Repeat("x", 2000)},
	} {
		if got, err := ServiceFile("leader", p); err == nil {
			t.Errorf("%s was written as %q", name, got)
		} else if len(p.Value) > 1 && strings.Contains(err.Error(), p.Value) {
			t.Errorf("%s: the error shows the value", name)
		}
	}
	if _, err := ServiceFile("a]\n[b"); err == nil {
		t.Error("a service's name broke out of its line")
	}
}

var oddEndpoint = Endpoint{
	User: "a@b", Password: `p:/?#[]@!$&'()*+,;= %"\é`, Host: "demo-rw.default.svc", Port: 5432, Database: "a/b?c",
	Parameters: []ConnParameter{{"sslmode", "verify-full"}, {"sslrootcert", ""}},
}

func TestAURIIsReadAsItWasMeant(t *testing.T) {
	uri := oddEndpoint.URI()
	read, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := read.User.Password()
	if read.User.Username() != oddEndpoint.User || password != oddEndpoint.Password || read.Path != "/"+oddEndpoint.Database || read.Host != "demo-rw.default.svc:5432" || read.RawQuery != "sslmode=verify-full" {
		t.Errorf("%s is read as %#v", uri, read)
	}
	config, err := pgx.ParseConfig(strings.Replace(uri, "verify-full", "disable", 1))
	if err != nil || config.User != oddEndpoint.User || config.Password != oddEndpoint.Password || config.Database != oddEndpoint.Database {
		t.Errorf("pgx reads %s as %+v, %v", uri, config, err)
	}
	if got := (Endpoint{Host: "fd00::1", Port: 5432, Database: "app"}).URI(); got != "postgresql://[fd00::1]:5432/app" {
		t.Error(got)
	}
}

func TestAJDBCURLHasUserAndPasswordAsParameters(t *testing.T) {
	got := oddEndpoint.JDBCURL()
	rest, ok := strings.CutPrefix(got, "jdbc:postgresql://demo-rw.default.svc:5432/a%2Fb%3Fc?")
	if !ok {
		t.Fatal(got)
	}
	values, err := url.ParseQuery(rest)
	if err != nil || values.Get("user") != oddEndpoint.User || values.Get("password") != oddEndpoint.Password || values.Get("sslmode") != "verify-full" || values.Has("sslrootcert") {
		t.Errorf("%s is read as %v, %v", rest, values, err)
	}
}

func FuzzConnectionStrings(f *testing.F) {
	f.Add("app", `p'\ %+&"`, "db")
	f.Add("", "\n", "]")
	f.Fuzz(func(t *testing.T, user, password, database string) {
		if strings.ContainsRune(user+password+database, 0) || user == "" || password == "" || database == "" {
			return
		}
		config, err := pgx.ParseConfig(Conninfo(ConnParameter{"sslmode", "disable"}, ConnParameter{"host", "h"}, ConnParameter{"user", user}, ConnParameter{"password", password}, ConnParameter{"dbname", database}))
		if err != nil || config.User != user || config.Password != password || config.Database != database {
			t.Errorf("a conninfo is read as %+v, %v", config, err)
		}
		read, err := url.Parse(Endpoint{User: user, Password: password, Host: "h", Database: database}.URI())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := read.User.Password(); read.User.Username() != user || got != password || read.Path != "/"+database {
			t.Errorf("a URI is read as %#v", read)
		}
		if file, err := ServiceFile("leader", ConnParameter{"user", user}, ConnParameter{"password", password}); err == nil && strings.Count(file, "\n") != 3 {
			t.Errorf("a service file has other lines than it should: %q", file)
		}
	})
}
