package postgres

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// ConnParameter is one parameter of libpq: host, port, sslmode, …
type ConnParameter struct{ Key, Value string }

// connKey is what a parameter's name may be; all of libpq's are.
var connKey = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Conninfo writes "key='value' …" as libpq reads it, also as the value of
// primary_conninfo. Empty values are left out. Keys are the program's own, values may be anybody's.
func Conninfo(parameters ...ConnParameter) string {
	var parts []string
	for _, p := range parameters {
		if p.Value == "" {
			continue
		}
		value := strings.NewReplacer("\x00", "", `\`, `\\`, `'`, `\'`).Replace(p.Value)
		parts = append(parts, p.Key+"='"+value+"'")
	}
	return strings.Join(parts, " ")
}

// maxServiceLine is what libpq's parser takes in one line of a service file, its line break included.
const maxServiceLine = 1023

// ServiceFile writes a libpq service file with one service. Empty values are left
// out. It is an error where the format has no way to say something: it knows no
// quotes, so a value can neither hold a line break nor begin or end with a blank,
// and a line cannot be longer than libpq's buffer.
func ServiceFile(service string, parameters ...ConnParameter) (string, error) {
	if service == "" || strings.ContainsAny(service, "]\r\n\x00") {
		return "", fmt.Errorf("libpq service %q: the name cannot be written in a service file", service)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[%s]\n", service)
	for _, p := range parameters {
		if p.Value == "" {
			continue
		}
		if !connKey.MatchString(p.Key) || p.Key == "service" {
			return "", fmt.Errorf("libpq service %s: %q cannot be a parameter in a service file", service, p.Key)
		}
		if strings.ContainsAny(p.Value, "\r\n\x00") || strings.TrimSpace(p.Value) != p.Value {
			// The value is not shown: it may be a password.
			return "", fmt.Errorf("libpq service %s: the value of %s has a line break, or a blank at its beginning or end, which a service file cannot hold", service, p.Key)
		}
		line := p.Key + "=" + p.Value + "\n"
		if len(line) > maxServiceLine {
			return "", fmt.Errorf("libpq service %s: the value of %s is longer than a service file can hold (%d bytes in a line)", service, p.Key, maxServiceLine)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// Endpoint is where and as whom an application connects.
type Endpoint struct {
	User, Password string
	Host           string
	// Port 0 is left out: libpq and JDBC then take 5432.
	Port     int
	Database string
	// Parameters follow the question mark, in this order, such as sslmode=verify-full.
	Parameters []ConnParameter
}

// URI is postgresql://user:password@host:port/database?…, percent-encoded.
// https://www.postgresql.org/docs/17/libpq-connect.html#LIBPQ-CONNSTRING-URIS
func (e Endpoint) URI() string {
	var b strings.Builder
	b.WriteString("postgresql://")
	if e.User != "" {
		b.WriteString(percent(e.User))
		if e.Password != "" {
			b.WriteString(":" + percent(e.Password))
		}
		b.WriteByte('@')
	}
	b.WriteString(e.authority())
	b.WriteString("/" + percent(e.Database))
	return b.String() + query(e.Parameters)
}

// JDBCURL is jdbc:postgresql://host:port/database?user=…&password=…&…, as the JDBC
// driver reads it: user and password are parameters, since it takes none before the host.
func (e Endpoint) JDBCURL() string {
	parameters := append([]ConnParameter{{"user", e.User}, {"password", e.Password}}, e.Parameters...)
	return "jdbc:postgresql://" + e.authority() + "/" + percent(e.Database) + query(parameters)
}

// authority is host:port, an IPv6 address in brackets.
func (e Endpoint) authority() string {
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if e.Port != 0 {
		host += ":" + strconv.Itoa(e.Port)
	}
	return host
}

// query is ?key=value&…, without those whose value is empty.
func query(parameters []ConnParameter) string {
	var parts []string
	for _, p := range parameters {
		if p.Value != "" {
			parts = append(parts, percent(p.Key)+"="+percent(p.Value))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

// percent encodes all but letters, digits and -._~. A blank becomes %20: libpq does not take + for one.
func percent(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
