//go:build cluster

package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshot is everything of a machine that a cluster could leave behind, as sets of lines.
type snapshot map[string][]string

// commands print one thing in a line. They are the machine's own view, not that of the code under
// test.
var commands = map[string]string{
	"interfaces":       "ip -brief link | awk '{print $1}'",
	"addresses":        "ip -brief address | awk '{print $1, $3, $4}'",
	"routes":           "ip route show table all | grep -v '^fe80\\|^ff00\\|expires'",
	"named namespaces": "ip netns list",
	"mounts":           "awk '{print $5}' /proc/self/mountinfo",
	"loop devices":     "losetup --list --noheadings --output BACK-FILE",
	"nftables rules":   "nft list ruleset",
	"iptables rules":   "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'",
	"kernel settings":  "sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.ipv4.ip_forward net.netfilter.nf_conntrack_max 2>/dev/null",
	"files in /run":    "ls -d /run/* /run/netns/* 2>/dev/null",
	"directories":      "ls -d /var/lib/kubelet /var/lib/cni /etc/cni/net.d /var/log/pods /var/log/containers 2>/dev/null",
}

func takeSnapshot(t *testing.T) snapshot {
	t.Helper()
	s := snapshot{"cgroups": cgroups(), "processes": processes(t), "namespaces": namespaces()}
	for what, command := range commands {
		out, _ := exec.Command("sh", "-c", command).Output() // an empty list makes grep and ls fail
		s[what] = strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	return s
}

// leftovers lists what is in a later snapshot and not in this one.
func (s snapshot) leftovers(later snapshot) []string {
	var left []string
	for what, lines := range later {
		for _, line := range lines {
			if !slices.Contains(s[what], line) {
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

// processes lists those that are part of a cluster by the program they run, zombies included. Others
// come and go on a machine that is used.
func processes(t *testing.T) []string {
	t.Helper()
	names := []string{"etcd", "kube", "containerd", "coredns", "pause", "localcluster", "busybox"}
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		comm, _ := os.ReadFile(file)
		for _, name := range names {
			if strings.HasPrefix(string(comm), name) {
				found = append(found, filepath.Base(filepath.Dir(file))+" "+strings.TrimSpace(string(comm)))
			}
		}
	}
	return found
}

// namespaces lists the network and mount namespaces that any process is in.
func namespaces() []string {
	var found []string
	for _, kind := range []string{"net", "mnt"} {
		links, _ := filepath.Glob("/proc/[0-9]*/ns/" + kind)
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && !slices.Contains(found, target) {
				found = append(found, target)
			}
		}
	}
	return found
}
