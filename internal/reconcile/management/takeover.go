package management

import (
	"fmt"
	"strings"

	"golang.org/x/mod/semver"
)

// Takeover is what an operator does with a resource that is left alone and was managed last by an operator of another version.
type Takeover string

// What an operator does with it.
const (
	// TakesOver without more: it is of the same version, or nobody has managed it yet.
	TakesOver Takeover = "TakesOver"
	// Warns: it is of another patch version, or of one that cannot be compared.
	Warns Takeover = "Warns"
	// Refuses: it is of a newer minor or major version, which may have its children be otherwise.
	Refuses Takeover = "Refuses"
)

// DecideTakeover by the version that managed it last, "" for none, and the operator's own.
func DecideTakeover(last, own string) Takeover {
	before, now := release(last), release(own)
	switch {
	case last == "" || last == own:
		return TakesOver
	case before == "" || now == "":
		return Warns
	case semver.Compare(semver.MajorMinor(now), semver.MajorMinor(before)) > 0:
		return Refuses
	}
	return Warns
}

// release is the form of a version, as v1.2.3; "" where it is none, as that of a build between two releases of which no tag is known.
func release(version string) string {
	if !strings.HasPrefix(version, "v") {
		version = "v" + version
	}
	if !semver.IsValid(version) {
		return ""
	}
	return version
}

// Explain what a refusal means and what to do about it.
func Explain(resource Resource, by, last, own string) string {
	return fmt.Sprintf("%s is left alone by %s and was managed last by version %s; version %s does not take it over: disabling ownership prevents upgrades. "+
		"Remove that first, so that it is managed by the former version, or accept that it is not supported", resource, by, last, own)
}
