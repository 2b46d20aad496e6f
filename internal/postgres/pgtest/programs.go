package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// RootFSVariable names the environment variable with the root file system to take programs from.
const RootFSVariable = "TIMONIER_POSTGRES_ROOTFS"

// Majors are the versions that Timonier serves, and that Each runs a test with.
var Majors = []string{"15", "17"}

// Programs of one major version of PostgreSQL.
type Programs struct {
	Major string
	// root is the file system that holds them; "" is this machine's.
	root string
	// bin is the directory of the programs within root.
	bin string
	// uid and gid to run as; those of this process unless it is root.
	uid, gid int
}

// Find finds the programs of a major version. The error tells what to install.
func Find(major string) (Programs, error) {
	bin := "/usr/lib/postgresql/" + major + "/bin"
	for _, root := range []string{os.Getenv(RootFSVariable), ""} {
		if _, err := os.Stat(filepath.Join(root, bin, "postgres")); err != nil {
			continue
		}
		if root != "" && os.Getuid() != 0 {
			return Programs{}, fmt.Errorf("%s is set, and entering a root file system needs root: run the tests as root, or unset it and install postgresql-%s", RootFSVariable, major)
		}
		p := Programs{Major: major, root: root, bin: bin, uid: os.Getuid(), gid: os.Getgid()}
		if p.uid == 0 {
			p.uid, p.gid = unprivileged(root)
		}
		return p, nil
	}
	return Programs{}, fmt.Errorf("no PostgreSQL %s: neither in %s on this machine nor in the root file system that %s names (%q); install Debian's package postgresql-%s, or build the image with `make images` and set the variable",
		major, bin, RootFSVariable, os.Getenv(RootFSVariable), major)
}

// unprivileged finds the user postgres in a file system's passwd file, or else nobody: initdb wants a user with a name.
func unprivileged(root string) (uid, gid int) {
	uid, gid = 65534, 65534
	content, err := os.ReadFile(filepath.Join(root, "/etc/passwd"))
	if err != nil {
		return uid, gid
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(line, ":")
		if len(fields) > 3 && fields[0] == "postgres" {
			u, errU := strconv.Atoi(fields[2])
			g, errG := strconv.Atoi(fields[3])
			if errU == nil && errG == nil && u != 0 {
				return u, g
			}
		}
	}
	return uid, gid
}

// enter mounts what a server needs into the root file system $0, and becomes the program. /tmp and /dev are
// this machine's, so that paths below them mean the same inside and outside.
const enter = `set -e
for d in dev proc tmp; do test -d "$0/$d" || mkdir "$0/$d"; mount --rbind "/$d" "$0/$d"; done
exec chroot --userspec="$1" "$0" "$2" "${@:3}"`

// Command prepares a program such as initdb or pg_controldata to run as the unprivileged user, in English.
func (p Programs) Command(ctx context.Context, program string, arguments ...string) *exec.Cmd {
	path := filepath.Join(p.bin, program)
	var command *exec.Cmd
	if p.root == "" {
		command = exec.CommandContext(ctx, path, arguments...)
		if os.Getuid() == 0 {
			command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}}
		}
	} else {
		user := fmt.Sprintf("+%d:+%d", p.uid, p.gid)
		command = exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private",
			"bash", "-c", enter, p.root, user, path}, arguments...)...)
	}
	command.Dir = "/"
	command.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp", "TZ=UTC"}
	return command
}

// Run runs a program to its end; the error has what it printed.
func (p Programs) Run(ctx context.Context, program string, arguments ...string) (string, error) {
	output, err := p.Command(ctx, program, arguments...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s of PostgreSQL %s: %w\n%s", program, p.Major, err, output)
	}
	return string(output), nil
}
