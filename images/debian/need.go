package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Need is something a build wants from the machine: a file, and the package that brings it.
type Need struct {
	Path    string // absolute; present means the need is met
	Package string
}

// KeyringPath holds the keys that sign Debian's archives.
const KeyringPath = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Provide installs the packages whose files are missing. It says so first: installing software
// on someone's machine is not to be done silently.
func Provide(ctx context.Context, out io.Writer, needs ...Need) error {
	var missing []string
	for _, need := range needs {
		if _, err := os.Stat(need.Path); err != nil {
			missing = append(missing, need.Package)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("this machine lacks the Debian packages %s and only root can install them: "+
			"run 'apt-get install %s' as root, then build again", names, names)
	}
	_, _ = fmt.Fprintf(out, "installing the Debian packages this machine lacks: %s\n", names)
	steps := [][]string{
		{"apt-get", "-q", "update"},
		append([]string{"apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", "install"}, missing...),
	}
	for _, step := range steps {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing %s with %q: %w\n%s", names, strings.Join(step, " "), err, tail(output))
		}
	}
	return nil
}

// tail keeps the end of a tool's output, where it says why it failed.
func tail(output []byte) string {
	const enough = 2000
	text := strings.TrimSpace(string(output))
	if len(text) > enough {
		text = "…" + text[len(text)-enough:]
	}
	return text
}
