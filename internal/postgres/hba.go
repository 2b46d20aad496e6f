package postgres

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/timonier-io/timonier/internal/naming"
)

// CheckHBA tells which of spec.hba's lines are refused, in their order; nil when all is well.
//
// A line is “hostssl database user address method”, and the method is scram-sha-256 or reject.
// md5 is refused although PostgreSQL would use SCRAM for a SCRAM verifier: it would also admit MD5 hashes, which can
// be replayed. cert is refused since Timonier issues certificates to its own instances only. Methods that ask another
// server (ldap, gss, radius, pam, …) need files or secrets that an instance does not have yet.
func CheckHBA(lines []string) []Problem {
	var problems []Problem
	for i, line := range lines {
		if cause, remedy := checkHBALine(line); cause != "" {
			problems = append(problems, Problem{fmt.Sprintf("spec.hba[%d]", i), cause, remedy})
		}
	}
	return problems
}

const (
	hbaExample = "write for example “hostssl all all 10.0.0.0/8 scram-sha-256”"
	hbaSCRAM   = "use scram-sha-256, or reject"
)

// hbaTypes and hbaMethods that are refused, with cause and remedy; hostssl, scram-sha-256 and reject are admitted.
var (
	hbaTypes = map[string][2]string{
		"host":         {"host also admits connections without encryption", "use hostssl"},
		"hostnossl":    {"hostnossl admits connections without encryption only", "use hostssl, or remove the line: nobody gets in without encryption"},
		"hostgssenc":   {"there is no Kerberos key in an instance", "use hostssl"},
		"hostnogssenc": {"hostnogssenc also admits connections without encryption", "use hostssl"},
		"local":        {"the local socket is the instance's own", "use hostssl, or remove the line"},
	}
	hbaMethods = map[string][2]string{
		"trust":    {"trust admits anybody without a password", hbaSCRAM},
		"password": {"password lets the server see the password", hbaSCRAM},
		"md5":      {"md5 also admits hashes that can be replayed; passwords are stored as SCRAM verifiers", hbaSCRAM},
		"ident":    {"ident believes what the client's machine says", hbaSCRAM},
		"peer":     {"peer is for the local socket, which is the instance's own", hbaSCRAM},
		"cert":     {"certificates of clients are issued to Timonier's instances only", hbaSCRAM},
		"ldap":     {"ldap is not supported", hbaSCRAM},
		"gss":      {"gss is not supported: there is no Kerberos key in an instance", hbaSCRAM},
		"sspi":     {"sspi exists on Windows only", hbaSCRAM},
		"radius":   {"radius is not supported", hbaSCRAM},
		"pam":      {"pam is not supported", hbaSCRAM},
		"bsd":      {"bsd exists on OpenBSD only", hbaSCRAM},
		"oauth":    {"oauth is not supported", hbaSCRAM},
	}
)

// checkHBALine tells what is wrong with one line, or "" and "".
func checkHBALine(line string) (cause, remedy string) {
	if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return "the line has a line break or another control character", "write each rule as an entry of its own"
	}
	if strings.HasSuffix(strings.TrimSpace(line), `\`) {
		return "the line ends with a backslash, which would join the next one to it", "remove the backslash"
	}
	fields, ok := hbaFields(line)
	switch {
	case !ok:
		return "a double quote is not closed", "close it"
	case len(fields) == 0:
		return "", "" // a comment
	case strings.HasPrefix(fields[0].text(), "include"):
		return "it includes a file, and there are none in an instance", "write the rules of the file here"
	}
	return checkHBAFields(fields)
}

func checkHBAFields(fields []hbaField) (cause, remedy string) {
	kind := fields[0].text()
	if kind != "hostssl" || fields[0].quoted() {
		if refusal, known := hbaTypes[kind]; known {
			return refusal[0], refusal[1]
		}
		return fmt.Sprintf("%q is not a type of connection", kind), "begin the line with hostssl"
	}
	for i, field := range fields {
		if isNames := i == 1 || i == 2; len(field) > 1 && !isNames {
			return fmt.Sprintf("%q is a list where only one value can be", field.text()), hbaExample
		}
	}
	if len(fields) < 5 {
		return fmt.Sprintf("the line has %d fields where a rule has 5", len(fields)), hbaExample
	}
	if cause, remedy := checkHBANames(fields[1], fields[2]); cause != "" {
		return cause, remedy
	}
	used, cause, remedy := checkHBAAddress(fields[3:])
	if cause != "" {
		return cause, remedy
	}
	return checkHBAMethod(fields[3+used:])
}

// checkHBANames judges the database and the user.
func checkHBANames(databases, users hbaField) (cause, remedy string) {
	for _, token := range slices.Concat(databases, users) {
		if token.quoted {
			continue
		}
		switch {
		case strings.HasPrefix(token.text, "@"):
			return fmt.Sprintf("%q names a file, and there are none in an instance", token.text), "write the names here, separated by commas"
		case strings.HasPrefix(token.text, "/"):
			return fmt.Sprintf("%q is a regular expression, which PostgreSQL 15 does not know", token.text), "write the names, separated by commas"
		}
	}
	for _, token := range databases {
		if token.text == "replication" && !token.quoted {
			return "physical replication is Timonier's own", "name a database; logical replication uses an ordinary one"
		}
	}
	for _, token := range users {
		if name := strings.TrimPrefix(token.text, "+"); isOwnRole(name) {
			return fmt.Sprintf("%s is Timonier's own role, for which rules exist that come first", name), "name roles of your own"
		}
	}
	return "", ""
}

// isOwnRole tells whether a role is the superuser or one of Timonier's.
func isOwnRole(name string) bool {
	return name == naming.Superuser || strings.HasPrefix(name, "timonier_")
}

// hostName is what PostgreSQL compares with a client's name in DNS; a leading dot means all below it.
var hostName = regexp.MustCompile(`^\.?[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)

// looksNumeric: meant as an address rather than as a host name.
var looksNumeric = regexp.MustCompile(`^[0-9.]+(/|$)|:`)

// checkHBAAddress judges the address, and tells how many fields it takes: two with a separate mask.
func checkHBAAddress(fields []hbaField) (used int, cause, remedy string) {
	text := fields[0].text()
	if slices.Contains([]string{"all", "samehost", "samenet"}, text) && !fields[0].quoted() {
		return 1, "", ""
	}
	if strings.Contains(text, "/") {
		if _, err := netip.ParsePrefix(text); err != nil {
			return 0, fmt.Sprintf("%q is not a range of addresses", text), "write it as CIDR, such as 10.0.0.0/8 or fd00::/8"
		}
		return 1, "", ""
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		if looksNumeric.MatchString(text) || !hostName.MatchString(text) || len(text) > 253 {
			return 0, fmt.Sprintf("%q is not an address", text), "write a range such as 10.0.0.0/8, or all"
		}
		return 1, "", ""
	}
	mask, err := netip.ParseAddr(fields[1].text())
	if err != nil || mask.Is4() != address.Is4() {
		return 0, fmt.Sprintf("%q has no length of its prefix", text), fmt.Sprintf("write %s/%d for this one address", text, address.BitLen())
	}
	return 2, "", ""
}

// checkHBAMethod judges the method and what follows.
func checkHBAMethod(fields []hbaField) (cause, remedy string) {
	if len(fields) == 0 {
		return "the line has no method", "end it with scram-sha-256"
	}
	method := fields[0].text()
	if refusal, known := hbaMethods[method]; known {
		return refusal[0], refusal[1]
	}
	if method != "scram-sha-256" && method != "reject" {
		return fmt.Sprintf("%q is not a method that PostgreSQL knows", method), hbaSCRAM
	}
	if len(fields) > 1 {
		return fmt.Sprintf("%q follows the method, and neither scram-sha-256 nor reject takes an option here", fields[1].text()), "remove it"
	}
	return "", ""
}
