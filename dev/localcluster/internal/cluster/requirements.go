package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// requirements are the programs that come from Debian, with the package each is in.
var requirements = map[string]string{
	"containerd":          "containerd",
	"ctr":                 "containerd",
	"runc":                "runc",
	"/usr/lib/cni/bridge": "containernetworking-plugins",
	"ip":                  "iproute2",
	"nft":                 "nftables",
	"iptables":            "iptables",
	"conntrack":           "conntrack",
	"mkfs.xfs":            "xfsprogs",
	"xfs_growfs":          "xfsprogs",
	"mount":               "mount",
	"losetup":             "mount",
	"sysctl":              "procps",
}

// built are the programs that `make build` makes.
var built = []string{"kube", "kube-apiserver", "etcd", "kubelet", "localcluster-controller", "localcluster-csi", "coredns", "pause"}

// checkMachine refuses early what would fail late, and installs Debian's packages where they lack.
func (c Cluster) checkMachine(ctx context.Context) error {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return fmt.Errorf("the local cluster makes namespaces, cgroups and mounts: run it as root, on Linux")
	}
	for _, hidden := range []string{"/run/", "/var/lib/", "/var/log/", "/proc/", "/sys/"} {
		if strings.HasPrefix(string(c.Dir)+"/", hidden) {
			return fmt.Errorf("the state directory %s lies below %s, which the nodes see differently: choose another with --dir", c.Dir, hidden)
		}
	}
	for _, program := range built {
		if _, err := os.Stat(filepath.Join(c.Bin, program)); err != nil {
			return fmt.Errorf("%s is not built: run `make -C dev/localcluster build`", program)
		}
	}
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	fmt.Fprintf(c.Out, "  installing %s\n", strings.Join(missing, " "))
	if err := install(ctx, missing); err != nil {
		return fmt.Errorf("installing %s failed: %w\ninstall what provides these programs by hand, then run `up` again",
			strings.Join(missing, " "), err)
	}
	if missing = missingPackages(); len(missing) > 0 {
		return fmt.Errorf("programs of the packages %s are still missing after installing them: "+
			"put them in PATH (the CNI plugins in /usr/lib/cni), then run `up` again", strings.Join(missing, ", "))
	}
	return nil
}

func missingPackages() []string {
	missing := map[string]bool{}
	for program, pkg := range requirements {
		if _, err := exec.LookPath(program); err != nil {
			missing[pkg] = true
		}
	}
	return slices.Sorted(maps.Keys(missing))
}

func install(ctx context.Context, packages []string) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("there is no apt-get here")
	}
	// Somebody else's apt-get may be at work: wait for it rather than fail.
	apt := []string{"-qq", "-o", "DPkg::Lock::Timeout=300"}
	for _, args := range [][]string{{"update"}, append([]string{"install", "-y", "--no-install-recommends"}, packages...)} {
		cmd := exec.CommandContext(ctx, "apt-get", append(apt, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
