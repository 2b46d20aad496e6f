//go:build integration

package instance

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The test network: one bridge, on which the API server listens, and an address for each instance of each test.
const (
	bridge        = "timtest0"
	bridgeAddress = "10.213.0.1"
	apiPort       = 16443
)

// env is what all tests share.
var env struct {
	directory string
	lock      *os.File
	rootfs    string
	program   string // built with crash points, and with the race detector
	program2  string // another version of it
	lean      string // without it, for it takes memory
	api       *apiServer
}

// story shows the instances' logs also of tests that pass.
var story = flag.Bool("story", false, "show what the instances logged")

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/instance:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if os.Getuid() != 0 {
		return 1, fmt.Errorf("these tests make namespaces and mounts; run them as root")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, err
	}
	env.rootfs = filepath.Join(root, ".local", "images", "postgres.rootfs")
	if _, err := os.Stat(env.rootfs); err != nil {
		return 1, fmt.Errorf("the PostgreSQL image's root file system is missing; make it with `make -C images`: %w", err)
	}
	if err := oneRunAtATime(); err != nil {
		return 1, err
	}
	if env.directory, err = os.MkdirTemp("", "timonier-instance-"); err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(env.directory) }()
	if err := os.Chmod(env.directory, 0o755); err != nil {
		return 1, err
	}
	for program, built := range map[*string]struct {
		version string
		race    bool
	}{&env.program: {"1.0.0-test", true}, &env.program2: {"1.0.1-test", true}, &env.lean: {"1.0.0-lean", false}} {
		if *program, err = build(built.version, built.race); err != nil {
			return 1, err
		}
	}
	if err := network(); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, shell("ip link delete "+bridge)) }()
	env.api, err = startAPIServer(filepath.Join(root, ".local", "bin"), filepath.Join(env.directory, "api"))
	if err != nil {
		return 1, err
	}
	defer env.api.stop()
	return m.Run(), nil
}

// oneRunAtATime waits until no other run uses the test network. The lock ends with this process.
func oneRunAtATime() error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "timonier-test-instance.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	env.lock = lock // collected, it would be closed
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
}

// build the instance manager. The race detector needs the C library, which is that of this machine and not that of the image: it is linked in.
func build(version string, race bool) (string, error) {
	target := filepath.Join(env.directory, "timonier-instance-"+version)
	flags, cgo := "-X github.com/timonier-io/timonier/internal/version.version="+version, "0"
	arguments := []string{"build", "-tags=crashpoints"}
	if race {
		flags, cgo = flags+" -linkmode=external -extldflags=-static", "1"
		arguments = []string{"build", "-race", "-tags=crashpoints,netgo,osusergo"}
	}
	cmd := exec.Command("go", append(arguments, "-ldflags="+flags, "-o", target, "../../cmd/timonier-instance")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the instance manager: %w: %s", err, output)
	}
	return target, nil
}

func network() error {
	// What a run that was killed has left: nobody else runs now.
	_ = shell("ip link delete " + bridge)
	_ = shell("for left in $(ip netns list | grep -o '^timtest-[0-9-]*'); do ip netns delete $left; done")
	// Without an address of its own a bridge takes one of its ports, and another one when that port goes: pods would not reach the API server for seconds.
	return shell(fmt.Sprintf("ip link add %s address 02:00:0a:d5:00:01 type bridge && ip address add %s/16 dev %s && ip link set %s up", bridge, bridgeAddress, bridge, bridge))
}

func shell(command string) error {
	output, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, output)
	}
	return nil
}
