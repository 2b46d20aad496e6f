package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const (
	managerImage  = "registry.example/timonier:scale"
	postgresImage = "registry.example/postgres:17"
	deployment    = "config/operator/deployment.yaml"
	// metricsAddress of the operator: that of its Deployment, on an address that nobody else has.
	metricsAddress = "127.0.0.2:8080"
	// settled is how long an operator that leads is given to fill its caches, before its memory counts as that without clusters.
	settled = 10 * time.Second
	// stopPatience with the operator's end, before it is killed.
	stopPatience = 20 * time.Second
)

// operator is the process that is measured.
type operator struct {
	command *exec.Cmd
	log     *os.File
	// ended is closed when the process has, however.
	ended    chan struct{}
	stopping atomic.Bool
	// mayEnd: it is right for it to end by itself now.
	mayEnd atomic.Bool
}

func (b *bench) operatorFile(name string) string { return filepath.Join(b.bin, "linux", name) }

// operatorProgram is the operator's; with a poison that makes it panic, one that was built for that (-tags poison).
func (b *bench) operatorProgram() string {
	switch b.poisoner.(type) {
	case panics, mixed:
		return b.operatorFile("timonier-operator-poison")
	}
	return b.operatorFile("timonier-operator")
}

// startOperator as its image does. That it ends by itself is told to fail.
func (b *bench) startOperator(fail context.CancelCauseFunc) (*operator, error) {
	limit, err := b.operatorMemoryLimit()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(b.log), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command := exec.Command(b.operatorProgram(), "--manager-image="+managerImage,
		"--manager-program="+b.operatorFile("timonier-instance"), "--postgres-image=17="+postgresImage,
		"--workers="+strconv.Itoa(b.workers), "--metrics-address="+metricsAddress, "--probe-address=0")
	command.Env = append(os.Environ(), "KUBECONFIG="+b.world.kubeconfig(), "GOMEMLIMIT="+limit)
	command.Stdout, command.Stderr = log, log
	// Ctrl-C is for this program, which ends the operator itself.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the operator, which `make build` compiles: %w", err), log.Close())
	}
	o := &operator{command: command, log: log, ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		_ = command.Wait() // how it ended is in its state
		if !o.stopping.Load() && !o.mayEnd.Load() {
			fail(fmt.Errorf("the operator ended by itself: %s; its log is %s", command.ProcessState, b.log))
		}
	}()
	return o, nil
}

// stop the operator as the kubelet does, and wait for its end.
func (o *operator) stop() error {
	o.stopping.Store(true)
	_ = o.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-o.ended:
	case <-time.After(stopPatience):
		_ = o.command.Process.Kill() // as above
		<-o.ended
	}
	return o.log.Close()
}

// awaitOperator until it leads and has filled its caches.
func (b *bench) awaitOperator(ctx context.Context) error {
	key := client.ObjectKey{Namespace: operatorNamespace, Name: "timonier-operator"}
	for begin := time.Now(); ; {
		lease := &coordinationv1.Lease{}
		err := b.world.kube.Get(ctx, key, lease)
		if err == nil && lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
			return pause(ctx, settled)
		}
		if time.Since(begin) > startPatience {
			return errors.Join(fmt.Errorf("the operator does not lead after %s; its log is %s", startPatience, b.log), err)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // the pace of polling
			return err
		}
	}
}

// operatorMemoryLimit is GOMEMLIMIT: that of the operator's Deployment, unless another one is asked for.
func (b *bench) operatorMemoryLimit() (string, error) {
	if b.memoryLimit != "" {
		return b.memoryLimit, nil
	}
	content, err := os.ReadFile(deployment)
	if err != nil {
		return "", err
	}
	deployed := &appsv1.Deployment{}
	if err := yaml.Unmarshal(content, deployed); err != nil {
		return "", fmt.Errorf("%s: %w", deployment, err)
	}
	containers := deployed.Spec.Template.Spec.Containers
	if len(containers) == 0 {
		return "", fmt.Errorf("%s has no container", deployment)
	}
	for _, variable := range containers[0].Env {
		if variable.Name == "GOMEMLIMIT" {
			return variable.Value, nil
		}
	}
	return "off", nil // as Go takes no value at all
}
