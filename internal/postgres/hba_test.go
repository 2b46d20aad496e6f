package postgres

import (
	"strings"
	"testing"
)

func TestHBALinesThatAreAdmitted(t *testing.T) {
	for _, line := range []string{
		"hostssl all all 10.0.0.0/8 scram-sha-256",
		"hostssl app,report app 0.0.0.0/0 scram-sha-256",
		"hostssl app, report  app,\"Odd Role\" ::/0\treject # the office",
		"hostssl sameuser +readers samenet scram-sha-256",
		"hostssl all all 192.168.1.1 255.255.255.0 scram-sha-256",
		"hostssl all all fd00::1 ffff:: reject",
		"hostssl all all .example.com scram-sha-256",
		"hostssl all all client-1.example.com scram-sha-256",
		"hostssl \"replication\" all all scram-sha-256",
		"hostssl all \"@app\" all scram-sha-256",
		"hostssl \"a \"\"quoted\"\" name\" all all scram-sha-256",
		"# only a comment",
		"   ",
	} {
		if problems := CheckHBA([]string{line}); problems != nil {
			t.Errorf("%s: %v", line, problems)
		}
	}
}

func TestHBALinesThatAreRefused(t *testing.T) {
	for _, test := range []struct{ line, cause, remedy string }{
		{"hostssl all all all trust", "trust", "scram-sha-256"},
		{"hostssl all all all password", "password", "scram-sha-256"},
		{"hostssl all all all md5", "md5", "scram-sha-256"},
		{"hostssl all all all ident", "ident", "scram-sha-256"},
		{"hostssl all all all cert", "certificates", "scram-sha-256"},
		{"hostssl all all all ldap ldapserver=x", "ldap", "scram-sha-256"},
		{"hostssl all all all magic", "magic", "scram-sha-256"},
		{"hostssl all all all scram-sha-256 clientcert=verify-ca", "option", "remove"},
		{"host all all all scram-sha-256", "without encryption", "hostssl"},
		{"hostnossl all all all reject", "without encryption", "hostssl"},
		{"hostgssenc all all all scram-sha-256", "Kerberos", "hostssl"},
		{"local all all trust", "own", "hostssl"},
		{"HOSTSSL all all all scram-sha-256", "HOSTSSL", "hostssl"},
		{"\"hostssl\" all all all scram-sha-256", "not a type", "hostssl"},
		{"nonsense", "nonsense", "hostssl"},
		{"include /etc/passwd", "file", "here"},
		{"include_if_exists x", "file", "here"},
		{"include_dir x", "file", "here"},
		{"hostssl @names all all scram-sha-256", "file", "here"},
		{"hostssl all @names all scram-sha-256", "file", "here"},
		{"hostssl all /^app all scram-sha-256", "regular expression", "names"},
		{"hostssl replication all all scram-sha-256", "replication", "database"},
		{"hostssl app,replication all all scram-sha-256", "replication", "database"},
		{"hostssl all postgres all scram-sha-256", "own role", "your own"},
		{"hostssl all app,timonier_replication all scram-sha-256", "own role", "your own"},
		{"hostssl all \"timonier_monitor\" all reject", "own role", "your own"},
		{"hostssl all +postgres all scram-sha-256", "own role", "your own"},
		{"hostssl all all 10.0.0.0/33 scram-sha-256", "10.0.0.0/33", "10.0.0.0/8"},
		{"hostssl all all 10.0.0/8 scram-sha-256", "10.0.0/8", "10.0.0.0/8"},
		{"hostssl all all 10.0.0.1 scram-sha-256", "prefix", "10.0.0.1/32"},
		{"hostssl all all fd00::1 scram-sha-256", "prefix", "fd00::1/128"},
		{"hostssl all all 10.0.0.1 ffff:: scram-sha-256", "prefix", "10.0.0.1/32"},
		{"hostssl all all 10.0.0.256 scram-sha-256", "not an address", "all"},
		{"hostssl all all fe80::1%eth0 scram-sha-256", "not an address", "all"},
		{"hostssl all all a,b scram-sha-256", "list", "hostssl"},
		{"hostssl all all \"all scram-sha-256", "quote", "close"},
		{"hostssl all all 10.0.0.0/8", "4 fields", "scram-sha-256"},
		{"hostssl all all 10.0.0.1 255.0.0.0", "no method", "scram-sha-256"},
		{"hostssl", "1 fields", "scram-sha-256"},
		{"hostssl all all all scram-sha-256\nhost all all all trust", "line break", "its own"},
		{"hostssl all all all reject # \\", "backslash", "remove"},
		{"# \\", "backslash", "remove"},
	} {
		problems := CheckHBA([]string{"# first", test.line})
		if len(problems) != 1 {
			t.Errorf("%s: %v", test.line, problems)
			continue
		}
		if p := problems[0]; p.Field != "spec.hba[1]" || !strings.Contains(p.Cause, test.cause) || !strings.Contains(p.Remedy, test.remedy) {
			t.Errorf("%s: %v; want cause %q, remedy %q", test.line, p, test.cause, test.remedy)
		}
	}
}

// position of a rule among others, by its fields; -1 where it is missing.
func position(hba, rule string) int {
	for i, line := range strings.Split(hba, "\n") {
		if strings.Join(strings.Fields(line), " ") == rule {
			return i
		}
	}
	return -1
}

func TestTheOrderOfHBARulesIsThePolicy(t *testing.T) {
	open := RenderHBA(HBAInput{Open: true, Lines: []string{"hostssl all all 10.0.0.0/8 reject"}})
	last := -1
	for _, rule := range []string{
		"local all postgres,timonier_monitor peer map=timonier",
		"local all all reject",
		"hostssl replication timonier_replication all cert",
		"hostssl postgres timonier_replication all cert",
		"host all postgres,timonier_replication,timonier_monitor all reject",
		"host replication all all reject",
		"hostssl all all 10.0.0.0/8 reject",
		"hostssl all all all scram-sha-256",
	} {
		at := position(open, rule)
		if at <= last {
			t.Errorf("%q is in line %d, after line %d, in\n%s", rule, at, last, open)
		}
		last = at
	}
}

func TestClosedAdmitsNoClients(t *testing.T) {
	closed := RenderHBA(HBAInput{Lines: []string{"hostssl all all 10.0.0.0/8 scram-sha-256"}})
	if strings.Contains(closed, "scram-sha-256") || position(closed, "hostssl replication timonier_replication all cert") < 0 || position(closed, "local all postgres,timonier_monitor peer map=timonier") < 0 {
		t.Error(closed)
	}
}

func FuzzHBA(f *testing.F) {
	for _, line := range []string{"hostssl all all all scram-sha-256", "a,\"b\"\"c\" # x", "hostssl all all 10.0.0.1 255.0.0.0 reject \\", "x\ny"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, p := range CheckHBA([]string{line}) {
			if p.Field != "spec.hba[0]" || p.Cause == "" || p.Remedy == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%q: %q", line, p)
			}
		}
		plain := strings.Count(RenderHBA(HBAInput{Open: true, Lines: []string{"x"}}), "\n")
		if hba := RenderHBA(HBAInput{Open: true, Lines: []string{line}}); strings.Count(hba, "\n") != plain || strings.Contains(hba, "\\\n") {
			t.Errorf("%q breaks out of its line: %q", line, hba)
		}
		if ident := RenderIdent(HBAInput{OSUser: line}); strings.Count(ident, "\n") != 3 {
			t.Errorf("%q breaks out of its line: %q", line, ident)
		}
	})
}
