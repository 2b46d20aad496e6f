package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// becomeReaper makes orphans children of this process, as they are of PID 1.
func becomeReaper(t *testing.T) {
	t.Helper()
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Skipf("orphans cannot be taken: %v", errno)
	}
}

// until polls the process table, which tells of no event.
func until(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s")
		}
	}
}

func TestOrphansAreReapedAndOwnChildrenAreNot(t *testing.T) {
	becomeReaper(t)
	children := NewChildren()
	// The shell ends at once; what it left behind becomes ours, and ends too. It says who that is: there may be others.
	shell, said := exec.Command("sh", "-c", "sleep 0.05 >&- & echo $!"), strings.Builder{}
	shell.Stdout = &said
	if err := children.Run(shell); err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(said.String()))
	if err != nil {
		t.Fatal(err)
	}
	own := exec.Command("sh", "-c", "exit 7")
	if err := children.start(own); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		ended := zombies(os.Getpid())
		return slices.Contains(ended, orphan) && slices.Contains(ended, own.Process.Pid)
	})
	children.Reap()
	if left := zombies(os.Getpid()); !slices.Equal(left, []int{own.Process.Pid}) {
		t.Errorf("zombies left: %v; want only our own child %d", left, own.Process.Pid)
	}
	if err := own.Wait(); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("our own child's exit was taken from us: %v", err)
	}
}

func TestAPostmasterIsStoppedHarderEachTime(t *testing.T) {
	children := NewChildren()
	cmd := exec.Command("sh", "-c", "trap 'echo fast' INT; trap 'echo immediate; exit 2' QUIT; echo up; while :; do sleep 0.01; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := children.StartPostmaster(cmd, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	said := func(want string) {
		t.Helper()
		buffer := make([]byte, 64)
		n, err := out.Read(buffer)
		if got := strings.TrimSpace(string(buffer[:n])); err != nil || got != want {
			t.Fatalf("it said %q, %v; want %q", got, err, want)
		}
	}
	said("up")
	for _, mode := range []Mode{Fast, Fast} { // the second asks for nothing new
		if err := p.Stop(mode); err != nil {
			t.Fatal(err)
		}
	}
	said("fast")
	if p.HasEnded() {
		t.Fatal("it ended early")
	}
	if err := p.Stop(Immediate); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if p.Asked() != Immediate || p.Exit() != "exit status 2" {
		t.Errorf("asked %v, exit %q", p.Asked(), p.Exit())
	}
	if err := p.Stop(Kill); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
}

// One that the kernel keeps would end long after its children, which would go on until then.
func TestAServerIsKilledWithAllThatItHasStartedButWhatWritesItsLog(t *testing.T) {
	becomeReaper(t)
	const walsender, logger = "postgres: walsender", "postgres: shop: logger"
	script := fmt.Sprintf(`exec 3<&0; for title in %q %q; do (exec -a "$title" cat <&3) & done; wait`, walsender, logger)
	cmd := exec.Command("bash", "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	children := NewChildren()
	p, err := children.StartPostmaster(cmd, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	until(t, func() bool {
		for pid, title := range ChildrenOf(p.PID) {
			pids[title] = pid
		}
		return pids[walsender] != 0 && pids[logger] != 0
	})
	defer func() { // no test leaves a process to the next one
		_ = syscall.Kill(pids[logger], syscall.SIGKILL)
		until(t, func() bool {
			children.Reap()
			return statOf(pids[walsender]) == nil && statOf(pids[logger]) == nil
		})
	}()
	if err := p.Stop(Kill); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	until(t, func() bool {
		left := ChildrenOf(os.Getpid())
		return left[pids[walsender]] == "" && left[pids[logger]] == logger
	})
}

func TestAServerIsAdoptedByItsPID(t *testing.T) {
	children := NewChildren()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := children.AdoptPostmaster(cmd.Process.Pid, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(Kill); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if p.Exit() != "signal: killed" {
		t.Errorf("exit %q", p.Exit())
	}
	if _, err := children.AdoptPostmaster(cmd.Process.Pid, time.Now()); err == nil {
		t.Error("a process that is gone was adopted")
	}
}

// socketLock of port 5432.
const socketLock = ".s.PGSQL.5432.lock"

func writePID(t *testing.T, content string) string {
	t.Helper()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, pidFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return directory
}

func TestThePIDFileTellsWhetherConnectionsAreAccepted(t *testing.T) {
	for status, want := range map[string]bool{"ready   ": true, "standby ": true, "starting": false, "stopping": false} {
		directory := writePID(t, "77\n/data\n1700000000\n5432\n/run\n*\n 1 2\n"+status+"\n")
		if got := Accepting(directory, 77); got != want {
			t.Errorf("%q: %v", status, got)
		}
		if Accepting(directory, 78) {
			t.Errorf("%q of another process counts", status)
		}
	}
	if Accepting(writePID(t, "77\n/data\n"), 77) || Accepting(t.TempDir(), 77) {
		t.Error("half a file, or none, counts")
	}
}

func TestOnlyTheLockOfAServerThatIsGoneIsRemoved(t *testing.T) {
	// Our own PID belongs to a process that is no postgres, as any number may in a new container.
	directory := writePID(t, fmt.Sprintf("%d\n/data\n", os.Getpid()))
	if err := os.WriteFile(filepath.Join(directory, socketLock), fmt.Appendf(nil, "%d\n/data\n", os.Getpid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RemoveStaleLocks(directory, directory, 5432); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{pidFile, socketLock} {
		if _, err := os.Stat(filepath.Join(directory, file)); !os.IsNotExist(err) {
			t.Errorf("the stale %s is still there", file)
		}
	}
	if err := RemoveStaleLocks(directory, directory, 5432); err != nil {
		t.Errorf("without a file: %v", err)
	}
	fake := filepath.Join(t.TempDir(), "postgres")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("cp", sleep, fake).Run(); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(fake, "60")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = server.Process.Kill(), server.Wait() }()
	until(t, func() bool {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", server.Process.Pid))
		return err == nil && strings.HasPrefix(string(comm), "postgres")
	})
	if err := RemoveStaleLocks(writePID(t, fmt.Sprintf("%d\n", server.Process.Pid)), t.TempDir(), 5432); err == nil {
		t.Error("the lock of a server that runs was removed")
	}
}

func TestAServerThatHasNotSetItsHandlersYetSurvivesAReload(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read line; exit 3")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewChildren().StartPostmaster(cmd, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if p.Exit() != "exit status 3" {
		t.Errorf("it ended by %s", p.Exit())
	}
}
