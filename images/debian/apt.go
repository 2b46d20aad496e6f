package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Request says which packages an image is made of.
type Request struct {
	Architecture string   `json:"architecture"` // Debian's name, such as amd64
	Suite        string   `json:"suite"`        // the release that the image is made of
	OlderSuite   string   `json:"olderSuite"`   // serves only what Suite does not have; may be empty
	Packages     []string `json:"packages"`

	// Absent names packages that others depend on and that the image does without. apt is told
	// that they are there, so that they are not even downloaded.
	Absent []string `json:"absent"`
}

// Apt is an apt of its own: state, cache and configuration in one directory.
type Apt struct {
	Dir     string // absolute; kept between builds so that only changed packages are downloaded
	Mirrors Mirrors
}

// Fetch downloads the packages of a request with everything they depend on, and returns the
// paths of the files, sorted by name.
func (a *Apt) Fetch(ctx context.Context, req Request) ([]string, error) {
	if err := a.prepare(ctx, req); err != nil {
		return nil, fmt.Errorf("preparing apt in %s: %w", a.Dir, err)
	}
	// Without the option apt only warns when a list cannot be had, and goes on with none.
	if _, err := a.run(ctx, "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"); err != nil {
		return nil, fmt.Errorf("reading the package lists of %s and %s (does 'apt-get update' work on this machine? "+
			"else pass --mirror): %w", req.Suite, req.OlderSuite, err)
	}
	install := append([]string{"-q", "-y", "--download-only", "install"}, req.Packages...)
	if _, err := a.run(ctx, "apt-get", install...); err != nil {
		return nil, fmt.Errorf("downloading %s: %w", strings.Join(req.Packages, " "), err)
	}
	return a.chosen(ctx, req)
}

// chosen lists the files of the packages that apt selected. The cache may also hold those of
// earlier builds, so its folder's listing would not do.
func (a *Apt) chosen(ctx context.Context, req Request) ([]string, error) {
	out, err := a.run(ctx, "apt-get", append([]string{"-q", "--simulate", "install"}, req.Packages...)...)
	if err != nil {
		return nil, fmt.Errorf("listing the packages that apt chose: %w", err)
	}
	var files []string
	for line := range strings.Lines(out) {
		name, version, found := parseInst(line)
		if !found {
			continue
		}
		pattern := filepath.Join(a.archives(), fmt.Sprintf("%s_%s_*.deb", name, strings.ReplaceAll(version, ":", "%3a")))
		matches, err := filepath.Glob(pattern)
		if err != nil || len(matches) != 1 {
			return nil, fmt.Errorf("apt chose %s %s, but %d files match %s: remove %s and build again",
				name, version, len(matches), pattern, a.Dir)
		}
		files = append(files, matches[0])
	}
	slices.Sort(files)
	return files, nil
}

// parseInst reads a line of apt's simulation: "Inst name (version archive [architecture])".
func parseInst(line string) (name, version string, found bool) {
	rest, found := strings.CutPrefix(line, "Inst ")
	if !found {
		return "", "", false
	}
	name, rest, _ = strings.Cut(rest, " ")
	_, rest, found = strings.Cut(rest, "(")
	if !found {
		return "", "", false
	}
	version, _, _ = strings.Cut(rest, " ")
	name, _, _ = strings.Cut(name, ":") // a foreign architecture's suffix
	return name, version, true
}

func (a *Apt) archives() string { return filepath.Join(a.Dir, "var/cache/apt/archives") }
func (a *Apt) config() string   { return filepath.Join(a.Dir, "apt.conf") }

// prepare lays out the directory: it is written anew each time, for the machine's sources or
// the request may have changed; lists and downloaded packages stay.
func (a *Apt) prepare(ctx context.Context, req Request) error {
	for _, dir := range []string{
		"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d",
		"var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg", "var/log/apt",
	} {
		if err := os.MkdirAll(filepath.Join(a.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	access, err := HostAccess(ctx)
	if err != nil {
		return err
	}
	files := map[string]string{
		"apt.conf":             a.configuration(req, access),
		"etc/apt/sources.list": a.sources(req),
		"etc/apt/preferences":  preferences(req),
		"var/lib/dpkg/status":  pretended(req),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (a *Apt) sources(req Request) string {
	var b strings.Builder
	for _, suite := range []string{req.Suite, req.OlderSuite} {
		if suite == "" {
			continue
		}
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s main\n", KeyringPath, a.Mirrors.Archive, suite)
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s-updates main\n", KeyringPath, a.Mirrors.Archive, suite)
		if a.Mirrors.Security != "" {
			fmt.Fprintf(&b, "deb [signed-by=%s] %s %s-security main\n", KeyringPath, a.Mirrors.Security, suite)
		}
	}
	return b.String()
}

// preferences let the older release serve only what the newer one lacks.
func preferences(req Request) string {
	if req.OlderSuite == "" {
		return ""
	}
	return fmt.Sprintf("Package: *\nPin: release n=%s*\nPin-Priority: 100\n", req.OlderSuite)
}

// pretended is the dpkg status of a machine that has just the absent packages, in a version that
// satisfies every dependency on them.
func pretended(req Request) string {
	var b strings.Builder
	for _, name := range req.Absent {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nVersion: 9999:1\nArchitecture: %s\n"+
			"Multi-Arch: allowed\nMaintainer: none\nDescription: left out of the image\n\n", name, req.Architecture)
	}
	return b.String()
}

func (a *Apt) configuration(req Request, access []string) string {
	lines := []string{
		fmt.Sprintf("Dir %q;", a.Dir),
		fmt.Sprintf("Dir::State::status %q;", filepath.Join(a.Dir, "var/lib/dpkg/status")),
		fmt.Sprintf("APT::Architecture %q;", req.Architecture),
		fmt.Sprintf("APT::Architectures { %q; };", req.Architecture),
		`APT::Install-Recommends "false";`,
		`Acquire::Languages "none";`,
		`Acquire::Retries "3";`,
	}
	if os.Geteuid() == 0 {
		// Otherwise apt downloads as the user _apt, who may not enter this directory.
		lines = append(lines, `APT::Sandbox::User "root";`)
	}
	return strings.Join(append(lines, access...), "\n") + "\n"
}

// HostAccess copies how the machine's apt reaches its mirrors: proxies, certificates, whether
// the dates in signed lists are checked. Without it the build would fail where apt works.
func HostAccess(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "apt-config", "dump").Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt for its configuration (apt-config dump): %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "Acquire::") || strings.HasPrefix(line, "Acquire::IndexTargets") ||
			strings.HasPrefix(line, "Acquire::Languages") {
			continue
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func (a *Apt) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		complaint := stderr.Bytes()
		if len(complaint) == 0 {
			complaint = stdout.Bytes()
		}
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(complaint))
	}
	return stdout.String(), nil
}
