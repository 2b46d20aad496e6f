package postgres

// ConnParameter is one parameter of libpq: host, port, sslmode, …
type ConnParameter struct{ Key, Value string }

// Conninfo writes "key='value' …" as libpq reads it, also as the value of primary_conninfo. Empty values are left out.
func Conninfo(parameters ...ConnParameter) string { return "" }

// ServiceFile writes a libpq service file with one service. An error where a value holds
// a line break or a key is malformed: the format has no way to quote them.
func ServiceFile(service string, parameters ...ConnParameter) (string, error) { return "", nil }

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
func (e Endpoint) URI() string { return "" }

// JDBCURL is jdbc:postgresql://host:port/database?user=…&password=…&…, as the JDBC driver reads it.
func (e Endpoint) JDBCURL() string { return "" }
