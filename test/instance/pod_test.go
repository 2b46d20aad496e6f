//go:build integration

package instance

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// pod is one instance with its volumes, and its container while it runs.
type pod struct {
	w         *world
	ordinal   int
	name      string
	directory string
	client    *instanceapi.Client
	container *exec.Cmd
	ended     chan struct{}
}

// start makes the n-th instance's pod, with its volumes where they do not exist yet, and starts its container.
func (w *world) start(n int, environment ...string) *pod {
	w.t.Helper()
	p := w.pods[n]
	if p == nil {
		name := naming.Instance(clusterName, n)
		p = &pod{w: w, ordinal: n, name: name, directory: filepath.Join(w.directory, name)}
		host := naming.InstanceHost(clusterName, w.namespace, name)
		p.client = instanceapi.NewClient(net.JoinHostPort(w.address(n), strconv.Itoa(naming.PortAPI)),
			pki.ClientConfig(w.operator, []*x509Certificate{w.peers.Certificate}, host))
		w.pods[n] = p
		w.check(p.connectNetwork())
	}
	for _, directory := range []string{"data", "run", "program"} {
		p.makeDirectory(directory)
	}
	if w.wal {
		p.makeDirectory("wal")
	}
	// By a program of its own: a child that another test forks meanwhile would hold the copy open, and who is written to cannot be executed.
	w.check(shell(fmt.Sprintf("install -o %d -g 10001 -m 755 %s %s", podUID, w.program, filepath.Join(p.directory, "program", "timonier-instance"))))
	p.run(environment...)
	return p
}

func (p *pod) makeDirectory(name string) {
	path := filepath.Join(p.directory, name)
	p.w.check(os.MkdirAll(path, 0o770))
	p.w.check(os.Chown(path, podUID, 10001))
}

// namespace of the pod's network.
func (p *pod) network() string { return fmt.Sprintf("timtest-%d-%d", p.w.number, p.ordinal) }

// link is the outer end of the pod's cable.
func (p *pod) link() string { return fmt.Sprintf("timveth%d-%d", p.w.number, p.ordinal) }

func (p *pod) connectNetwork() error {
	ns, outside := p.network(), p.link()
	p.disconnectNetwork() // left by a run that was killed
	return shell(strings.NewReplacer("NS", ns, "OUT", outside, "ADDRESS", p.w.address(p.ordinal), "BRIDGE", bridge).Replace(
		"ip netns add NS && ip link add OUT type veth peer name eth0 netns NS && ip link set OUT master BRIDGE up && " +
			"ip -n NS address add ADDRESS/16 dev eth0 && ip -n NS link set eth0 up && ip -n NS link set lo up"))
}

func (p *pod) disconnectNetwork() {
	_ = shell("ip link delete " + p.link()) // there may be none
	_ = shell("ip netns delete " + p.network())
}

// run starts the container over what is there, as the kubelet does when it restarts one.
func (p *pod) run(environment ...string) {
	w := p.w
	w.t.Helper()
	script, err := filepath.Abs("pod.sh")
	w.check(err)
	arguments := append([]string{"netns", "exec", p.network(), "/bin/sh", script, env.rootfs, p.directory, strconv.Itoa(podUID),
		"TIMONIER_CLUSTER=" + clusterName, "TIMONIER_NAMESPACE=" + w.namespace, "TIMONIER_INSTANCE=" + p.name,
		"TIMONIER_POD_IP=" + p.w.address(p.ordinal), fmt.Sprintf("TIMONIER_NODE=node-%d", p.ordinal), "TIMONIER_POSTGRES_VERSION=" + w.major,
		"KUBERNETES_SERVICE_HOST=" + bridgeAddress, "KUBERNETES_SERVICE_PORT=" + strconv.Itoa(apiPort)}, environment...)
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	w.check(err)
	defer func() { _ = log.Close() }() // the pod has its own descriptor
	p.container = exec.Command("ip", arguments...)
	p.container.Stdout, p.container.Stderr = log, log
	p.container.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWIPC, Pdeathsig: syscall.SIGKILL,
	}
	w.check(p.container.Start())
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // how it ended is in the log
		close(ended)
	}(p.container, p.ended)
}

func (p *pod) logFile() string { return p.directory + ".log" }

// kill ends the container at once, with all its processes.
func (p *pod) kill() {
	if p.container == nil {
		return
	}
	_ = p.container.Process.Kill() // it may have ended by itself
	<-p.ended
}

// terminate asks for a clean stop and waits for it.
func (p *pod) terminate() {
	p.w.t.Helper()
	p.w.check(p.container.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.w.t.Fatalf("%s did not stop within 30 s", p.name)
	}
}

// loseVolume takes a volume away and gives an empty one in its place; the container must not run.
func (p *pod) loseVolume(name string) {
	p.w.t.Helper()
	p.w.check(os.RemoveAll(filepath.Join(p.directory, name)))
	p.makeDirectory(name)
}

// status is zero where the instance does not answer.
func (p *pod) status() instanceapi.Status {
	ctx, cancel := context.WithTimeout(p.w.ctx, 2*time.Second)
	defer cancel()
	status, err := p.client.Status(ctx)
	if err != nil {
		return instanceapi.Status{}
	}
	return status
}

// answers waits for a status of an instance whose postgres runs.
func (p *pod) answers() instanceapi.Status {
	p.w.t.Helper()
	var status instanceapi.Status
	p.w.eventually(p.name+" answers, with postgres", func() bool {
		status = p.status()
		return status.Postgres != nil
	})
	return status
}

// serving is the state of this instance when all is well, whatever it is at the moment: a standby loses its walsender where commits
// are to wait for others than before.
func (p *pod) serving() instanceapi.State {
	p.w.t.Helper()
	if p.w.record().Holder == p.name {
		return instanceapi.StateRunning
	}
	return instanceapi.StateStreaming
}

// configure sends the world's configuration as soon as the instance takes it. One whose content is refused is never taken; all else may pass.
func (p *pod) configure() {
	p.w.t.Helper()
	p.w.eventually(p.name+" takes its configuration", func() bool {
		_, err := p.client.Configure(p.w.ctx, p.w.configuration())
		if refused, ok := instanceapi.Refused(err); ok && refused.Code == http.StatusUnprocessableEntity {
			p.w.t.Fatalf("%s refused its configuration: %v", p.name, refused)
		}
		return err == nil
	})
}

// becomes waits for a state.
func (p *pod) becomes(state instanceapi.State) {
	p.w.t.Helper()
	p.w.eventually(fmt.Sprintf("%s is %s", p.name, state), func() bool { return p.status().State == state })
}

// waitsFor waits until the instance waits for this reason.
func (p *pod) waitsFor(reason instanceapi.WaitReason) instanceapi.Status {
	p.w.t.Helper()
	var status instanceapi.Status
	p.w.eventually(fmt.Sprintf("%s waits for %s", p.name, reason), func() bool {
		status = p.status()
		return status.State == instanceapi.StateWaiting && status.WaitReason == reason
	})
	return status
}

// enter prepares a command in the container, as its user.
func (p *pod) enter(command ...string) *exec.Cmd {
	arguments := append([]string{"--target", strconv.Itoa(p.container.Process.Pid), "--pid", "--mount", "--net", "--root", "--wd=/",
		"--setuid=" + strconv.Itoa(podUID), "--setgid=10001"}, command...)
	return exec.CommandContext(p.w.ctx, "nsenter", arguments...)
}

// inside runs a command in the container, as its user.
func (p *pod) inside(command ...string) error {
	output, err := p.enter(command...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s in %s: %w: %s", strings.Join(command, " "), p.name, err, output)
	}
	return nil
}

// probe asks as the kubelet does; 0 where nobody answers.
func (p *pod) probe(path string) int {
	response, err := http.Get("http://" + net.JoinHostPort(p.w.address(p.ordinal), strconv.Itoa(naming.PortProbes)) + path)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// logs waits until the log has a text, and tells whether every line of it is a JSON object.
func (p *pod) logs(text string) {
	p.w.t.Helper()
	var content []byte
	p.w.eventually("the log of "+p.name+" tells of "+text, func() bool {
		var err error
		content, err = os.ReadFile(p.logFile())
		return err == nil && strings.Contains(string(content), text)
	})
	for line := range strings.Lines(string(content)) {
		if strings.HasSuffix(line, "\n") && !json.Valid([]byte(line)) {
			p.w.t.Errorf("a line of the log is no JSON: %q", line)
		}
	}
}

// tellRaces fails the test where the race detector has found something in the manager.
func (p *pod) tellRaces() {
	content, err := os.ReadFile(p.logFile())
	if err != nil {
		return // it never ran
	}
	if _, report, found := strings.Cut(string(content), "WARNING: DATA RACE"); found {
		p.w.t.Errorf("a data race in %s:%s", p.name, report[:min(len(report), 4000)])
	}
}

// tellStory shows what the instances logged, without PostgreSQL's own lines.
func (w *world) tellStory() {
	for _, p := range w.pods {
		content, err := os.ReadFile(p.logFile())
		if err != nil {
			continue
		}
		var lines []string
		for line := range strings.Lines(string(content)) {
			if !strings.Contains(line, `"error_severity":"LOG"`) && !strings.Contains(line, "pg_service.conf") {
				lines = append(lines, strings.TrimRight(line, "\n"))
			}
		}
		w.t.Logf("log of %s:\n%s", p.name, strings.Join(lines[max(0, len(lines)-80):], "\n"))
	}
}
