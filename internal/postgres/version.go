package postgres

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version of PostgreSQL, as numbered since version 10.
type Version struct {
	Major int
	// Minor is 0 for a development or beta version ("18beta1", "19devel").
	Minor int
}

// versionText finds the version in what --version prints, in PG_VERSION and in server_version.
var versionText = regexp.MustCompile(`^(?:[\w-]+ \(PostgreSQL\) )?([0-9]{2,3})(?:\.([0-9]{1,4})|(?:devel|alpha|beta|rc)[0-9]*)?(?:\s|$)`)

// ParseVersion reads what `postgres --version` prints ("postgres (PostgreSQL) 17.6
// (Debian 17.6-1)"), what `SHOW server_version` returns, and the content of PG_VERSION ("17").
func ParseVersion(text string) (Version, error) {
	match := versionText.FindStringSubmatch(text)
	if match == nil {
		return Version{}, fmt.Errorf("%q does not tell a version of PostgreSQL; expected for example “postgres (PostgreSQL) 17.6”", text)
	}
	major, _ := strconv.Atoi(match[1])
	minor := 0
	if match[2] != "" {
		minor, _ = strconv.Atoi(match[2])
	}
	return Version{Major: major, Minor: minor}, nil
}

// String is "17.6".
func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// MajorString is "17", as spec.version has it.
func (v Version) MajorString() string { return strconv.Itoa(v.Major) }
