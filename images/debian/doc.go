// Package debian gets packages from Debian's archives without touching the packages of the
// machine: it runs the machine's apt with directories of its own, so that signatures are checked
// and dependencies are solved by the tool that always does it, and reads the downloaded files
// with dpkg-deb. No maintainer script runs and nothing is mounted, hence no root is needed.
//
// Where the packages come from is read from the machine's own apt sources (sources.go), how they
// are reached from its apt configuration (apt.go), and what this package needs from the machine
// is installed on demand (need.go).
package debian
