//go:build cluster

package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/dev/localcluster/test/testcluster"
)

// snapshot is everything of a machine that a cluster could leave behind, as sets of lines.
type snapshot map[string][]string

// commands print one thing in a line. They are the machine's own view, not that of the code under
// test.
var commands = map[string]string{
	"interfaces": "ip -brief link | awk '{print $1}'",
	// The cluster has IPv4 only; link-local addresses appear by themselves on everybody's interfaces.
	"addresses":        "ip -brief -4 address | awk '{print $1, $3, $4}'",
	"routes":           "ip -4 route show table all",
	"named namespaces": "ip netns list",
	// Whoever builds a root file system meanwhile mounts things below /tmp; a cluster does not. Its
	// named namespaces are listed above.
	"mounts":          "awk '{print $5}' /proc/self/mountinfo | grep -v '^/tmp/\\|^/run/netns/'",
	"loop devices":    "losetup --list --noheadings --output BACK-FILE",
	"nftables rules":  "nft list ruleset",
	"iptables rules":  "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'",
	"kernel settings": "cd /proc/sys && grep -H '' vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/ipv4/ip_forward net/netfilter/nf_conntrack_max 2>/dev/null",
	"files in /run":   "ls -d /run/* /run/netns/* 2>/dev/null",
	"directories":     "ls -d /var/lib/kubelet /var/lib/cni /etc/cni/net.d /var/log/pods /var/log/containers 2>/dev/null",
}

func takeSnapshot(t *testing.T) snapshot {
	t.Helper()
	s := snapshot{"cgroups": cgroups(), "processes": processes(t)}
	for what, command := range commands {
		out, _ := exec.Command("sh", "-c", command).Output() // an empty list makes grep and ls fail
		s[what] = strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	return s
}

// ours is what the cluster's things are called, wherever they have a name: the same machine may be used
// for other tests at the same time, which make interfaces and namespaces of their own.
var ours = regexp.MustCompile(`localcluster|\blc|\bcni|\bveth|kube|containerd|10\.(8[89]|9[0-5])\.`)

// strict are the lists of which every new line counts. Nobody else changes those.
var strict = []string{"mounts", "loop devices", "nftables rules", "iptables rules", "kernel settings", "processes"}

// leftovers lists what is in a later snapshot and not in this one.
func (s snapshot) leftovers(later snapshot) []string {
	var left []string
	for what, lines := range later {
		for _, line := range lines {
			if !slices.Contains(s[what], line) && (slices.Contains(strict, what) || ours.MatchString(line)) {
				left = append(left, fmt.Sprintf("%s: %s", what, line))
			}
		}
	}
	slices.Sort(left)
	return left
}

func cgroups() []string {
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// processes lists those that are part of a cluster by what they run, zombies included. Others come and
// go on a machine that is used, and so may an API server or etcd of somebody's integration test.
func processes(t *testing.T) []string {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, folder := range folders {
		comm, _ := os.ReadFile(filepath.Join(folder, "comm"))
		args, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		ours := strings.Contains(string(args), filepath.Join(testcluster.Dir(), "cluster"))
		for _, name := range []string{"containerd", "coredns", "pause", "localcluster"} {
			ours = ours || strings.HasPrefix(string(comm), name)
		}
		if ours {
			found = append(found, fmt.Sprintf("%s %s: %s", filepath.Base(folder), strings.TrimSpace(string(comm)), args))
		}
	}
	return found
}
