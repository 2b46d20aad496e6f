// Package version tells which build this is.
package version

// version is set by the linker: -X github.com/timonier-io/timonier/internal/version.version=v1.2.3.
var version = "unknown"

// String is the version of this build as `git describe` told it.
func String() string { return version }
