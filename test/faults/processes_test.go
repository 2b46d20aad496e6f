package faults

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestTheRightProcessOfAPodIsFound(t *testing.T) {
	all := []process{
		{pid: 100, parent: 1, inside: 1, name: "pause"},
		{pid: 200, parent: 90, inside: 1, name: "timonier-instan"},
		{pid: 320, parent: 300, inside: 40, name: "postgres"}, // a backend
		{pid: 310, parent: 200, inside: 38, name: "psql"},
		{pid: 300, parent: 200, inside: 20, name: "postgres"},
	}
	if found, err := manager(all); err != nil || found.pid != 200 {
		t.Errorf("the instance manager is %+v (%v)", found, err)
	}
	if found, err := postmaster(all); err != nil || found.pid != 300 {
		t.Errorf("the postmaster is %+v (%v)", found, err)
	}
	if _, err := postmaster(all[:2]); err == nil {
		t.Error("a postmaster is found where none runs")
	}
	if _, err := manager(all[:1]); err == nil {
		t.Error("the pause is taken for the instance manager")
	}
}

func TestAProcessIsReadFromTheKernel(t *testing.T) {
	status := "Name:\tpostgres\nUmask:\t0077\nPid:\t4711\nPPid:\t4242\nNSpid:\t4711\t23\n"
	if p := parseStatus(4711, status); p != (process{pid: 4711, parent: 4242, inside: 23, name: "postgres"}) {
		t.Errorf("%+v", p)
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if p := parseStatus(os.Getpid(), string(own)); p.parent != os.Getppid() || !strings.HasPrefix("faults.test", p.name) {
		t.Errorf("this process is %+v", p)
	}
	if belongs(os.Getpid(), &corev1.Pod{}) {
		t.Error("a process belongs to a pod that has no UID")
	}
	pod := &corev1.Pod{}
	pod.UID = types.UID(fmt.Sprint("no-such-pod-", os.Getpid()))
	if _, err := processesOf(pod); err == nil {
		t.Error("processes of a pod that does not exist are found")
	}
}

func TestTheFreezerOfAContainerIsFound(t *testing.T) {
	for cgroup, want := range map[string]string{
		"12:cpu,cpuacct:/a\n9:freezer:/localcluster/node-1/kubepods/pod1/c1\n0::/\n": "/sys/fs/cgroup/freezer/localcluster/node-1/kubepods/pod1/c1/freezer.state",
		"0::/localcluster/node-1/kubepods/pod1/c1\n":                                 "/sys/fs/cgroup/localcluster/node-1/kubepods/pod1/c1/cgroup.freeze",
		"3:memory:/a\n": "",
	} {
		if file, _, _ := freezerOf(cgroup); file != want {
			t.Errorf("%q: %q, not %q", cgroup, file, want)
		}
	}
}
