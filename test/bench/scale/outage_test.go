package main

import (
	"os/exec"
	"testing"
)

func TestTheParentOfAProcessIsReadBehindItsName(t *testing.T) {
	for stat, want := range map[string]int{"12 (a ) b) S 7 12 12": 7, "12 (etcd) S 1": 1, "": 0, "12 (etcd)": 0} {
		if got := parentOf(stat); got != want {
			t.Errorf("%q: %d, want %d", stat, got, want)
		}
	}
}

func TestAChildIsFoundByTheNameThatItWasCalledBy(t *testing.T) {
	called := exec.CommandContext(t.Context(), "sleep", "60")
	called.Args[0] = "/somewhere/kube-apiserver-of-a-test"
	if err := called.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = called.Process.Kill() // as is meant
		_ = called.Wait()
	}()
	if pid, err := child("kube-apiserver-of-a-test"); err != nil || pid != called.Process.Pid {
		t.Errorf("found %d, not %d (%v)", pid, called.Process.Pid, err)
	}
	if pid, err := child("no-such-program"); err == nil {
		t.Errorf("found %d", pid)
	}
}
