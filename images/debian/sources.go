package debian

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mirrors are the two archives that packages come from. Security may be empty: some machines
// have none, and then the image has the fixes of the last point release only.
type Mirrors struct {
	Archive  string // URL of the main archive
	Security string // URL of the security archive
}

// entry is one line (or deb822 stanza) of apt's sources.
type entry struct {
	uris, suites, components []string
	signedBy                 string
}

// HostMirrors reads from the machine's own apt sources where it gets Debian packages, so that
// the repository names no host and the build works behind any proxy or local mirror.
// root is "/" but for tests.
func HostMirrors(root string) (Mirrors, error) {
	codename, err := hostCodename(root)
	if err != nil {
		return Mirrors{}, err
	}
	entries, err := readSources(filepath.Join(root, "etc/apt"))
	if err != nil {
		return Mirrors{}, err
	}
	mirrors := Mirrors{
		Archive:  pick(entries, codename),
		Security: pick(entries, codename+"-security"),
	}
	if mirrors.Archive == "" {
		return Mirrors{}, fmt.Errorf("apt's sources under %s have no entry for suite %q with component main, "+
			"so the address of a Debian mirror is unknown: add one, or pass --mirror",
			filepath.Join(root, "etc/apt"), codename)
	}
	return mirrors, nil
}

// hostCodename says which release the machine runs, the suite its Debian entry names.
func hostCodename(root string) (string, error) {
	path := filepath.Join(root, "etc/os-release")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("finding out which Debian this machine runs: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); found {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", fmt.Errorf("%s has no VERSION_CODENAME, so this machine's Debian mirror cannot be found: pass --mirror", path)
}

// pick returns the URL that serves a suite. Vendors' repositories may use Debian's suite names
// too; an entry signed by Debian's own keys, or that ends like Debian's archives do, goes first.
func pick(entries []entry, suite string) string {
	best, bestScore := "", -1
	for _, e := range entries {
		if !slices.Contains(e.suites, suite) || !slices.Contains(e.components, "main") || len(e.uris) == 0 {
			continue
		}
		url := strings.TrimSuffix(e.uris[0], "/")
		score := 0
		if strings.Contains(e.signedBy, "debian-archive") {
			score += 2
		}
		if strings.HasSuffix(url, "/debian") || strings.HasSuffix(url, "/debian-security") {
			score++
		}
		if score > bestScore {
			best, bestScore = url, score
		}
	}
	return best
}

func readSources(dir string) ([]entry, error) {
	files := []string{filepath.Join(dir, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		found, err := filepath.Glob(filepath.Join(dir, "sources.list.d", pattern))
		if err != nil {
			return nil, fmt.Errorf("listing apt's sources: %w", err)
		}
		files = append(files, found...)
	}
	var entries []entry
	for _, file := range files {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // sources.list need not exist beside sources.list.d
		}
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		if strings.HasSuffix(file, ".sources") {
			entries = append(entries, parseDeb822(string(content))...)
		} else {
			entries = append(entries, parseList(string(content))...)
		}
	}
	return entries, nil
}

// parseList reads the one-line format: "deb [option=value ...] uri suite component...".
func parseList(content string) []entry {
	var entries []entry
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		rest, isBinary := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !isBinary {
			continue
		}
		var e entry
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, _ := strings.Cut(rest[1:], "]")
			for option := range strings.FieldsSeq(options) {
				if value, found := strings.CutPrefix(option, "signed-by="); found {
					e.signedBy = value
				}
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			continue
		}
		e.uris, e.suites, e.components = fields[:1], fields[1:2], fields[2:]
		entries = append(entries, e)
	}
	return entries
}

// parseDeb822 reads the stanza format. Fields that continue on further lines (an inline
// Signed-By key) are ignored past their first line, which is enough to find a URL.
func parseDeb822(content string) []entry {
	var entries []entry
	current, types, enabled := entry{}, "", true
	flush := func() {
		if enabled && slices.Contains(strings.Fields(types), "deb") {
			entries = append(entries, current)
		}
		current, types, enabled = entry{}, "", true
	}
	scanner := bufio.NewScanner(strings.NewReader(content))
	for scanner.Scan() {
		line := scanner.Text()
		if strings.TrimSpace(line) == "" {
			flush()
			continue
		}
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") {
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(field) {
		case "types":
			types = value
		case "uris":
			current.uris = strings.Fields(value)
		case "suites":
			current.suites = strings.Fields(value)
		case "components":
			current.components = strings.Fields(value)
		case "signed-by":
			current.signedBy = value
		case "enabled":
			enabled = value != "no"
		}
	}
	flush()
	return entries
}
