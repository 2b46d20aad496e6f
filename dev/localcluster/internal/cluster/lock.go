package cluster

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/timonier-io/timonier/dev/localcluster/internal/cgroup"
	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// lock keeps other commands that change the cluster out until unlock is called, or until this
// process dies.
func (c Cluster) lock() (unlock func(), err error) {
	for {
		file, err := os.OpenFile(layout.LockFile, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening the lock: %w", err)
		}
		err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			fmt.Fprintln(c.Out, "Another localcluster command is at work; waiting for it to end.")
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", layout.LockFile, err)
		}
		// The one we waited for may have been a `down`, which removes the file that we now hold.
		ours, err1 := file.Stat()
		theirs, err2 := os.Stat(layout.LockFile)
		if err1 == nil && err2 == nil && os.SameFile(ours, theirs) {
			return func() { file.Close() }, nil
		}
		file.Close()
	}
}

// own makes this state directory the machine's one cluster. Two could not run at once: names,
// addresses and cgroups are the machine's.
func (c Cluster) own() error {
	owner, err := os.ReadFile(layout.OwnerFile)
	if other := strings.TrimSpace(string(owner)); err == nil && other != string(c.Dir) && running() {
		return fmt.Errorf("this machine already runs a local cluster, in %s, and cannot run two: "+
			"run `localcluster down --dir %s` first", other, other)
	}
	if err := os.WriteFile(layout.OwnerFile, []byte(string(c.Dir)+"\n"), 0o644); err != nil {
		return fmt.Errorf("noting whose cluster this machine runs: %w", err)
	}
	return nil
}

// checkOwner refuses to take down somebody else's cluster.
func (c Cluster) checkOwner() error {
	owner, err := os.ReadFile(layout.OwnerFile)
	if other := strings.TrimSpace(string(owner)); err == nil && other != string(c.Dir) && running() {
		return fmt.Errorf("the cluster on this machine belongs to %s: name it with `--dir %s`", other, other)
	}
	return nil
}

// running tells whether any process of a cluster lives. What a cluster left behind whose processes were
// killed from outside is nobody's: the next `up` uses it or replaces it.
func running() bool { return len(cgroup.Processes()) > 0 }
