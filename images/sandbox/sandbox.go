// Package sandbox runs programs of an unpacked root file system as a pod that enforces the
// restricted Pod Security Standard would: under any UID, without capabilities to gain, with a
// root file system that is read-only and a few writable folders in memory. It wants root and
// util-linux, no container runtime.
//
// Tests use it to start PostgreSQL without a cluster. It is not a security boundary.
package sandbox

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Sandbox describes how programs run.
type Sandbox struct {
	Root string // the unpacked root file system, absolute; mounted read-only
	UID  int
	GID  int

	Binds []Bind
	Env   []string // NAME=VALUE; nothing is inherited
}

// Bind makes a folder of the machine writable inside. Its owner must be the sandbox's user.
type Bind struct{ Outside, Inside string }

// writable are the folders that are in memory, as the emptyDirs of a pod are.
var writable = []string{"/tmp", "/run/postgresql", "/dev"}

// script runs in a mount and process namespace of its own, so that whatever is mounted or left
// running goes with it. Its arguments: the root, UID, GID, the number of binds, for each where
// it is and where it goes, then the command.
const script = `set -eu
root=$1 uid=$2 gid=$3 binds=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
for dir in WRITABLE; do mount -t tmpfs -o mode=1777 tmpfs "$root$dir"; done
mkdir -m 1777 "$root/dev/shm"
for device in null zero random urandom; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t proc none "$root/proc"
while [ "$binds" -gt 0 ]; do
	mount --bind "$1" "$root$2"
	shift 2
	binds=$((binds - 1))
done
exec setpriv --no-new-privs chroot --userspec="$uid:$gid" --groups= "$root" /usr/bin/env -i "$@"
`

// Command prepares a program's run; what it starts ends with it.
func (s Sandbox) Command(ctx context.Context, args ...string) *exec.Cmd {
	all := []string{
		"--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"sh", "-c", strings.ReplaceAll(script, "WRITABLE", strings.Join(writable, " ")), "sandbox",
		s.Root, fmt.Sprint(s.UID), fmt.Sprint(s.GID), fmt.Sprint(len(s.Binds)),
	}
	for _, bind := range s.Binds {
		all = append(all, bind.Outside, bind.Inside)
	}
	return exec.CommandContext(ctx, "unshare", slices.Concat(all, s.Env, args)...)
}
