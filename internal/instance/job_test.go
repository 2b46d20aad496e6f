package instance

import (
	"strings"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAJobThatKeepsFailingIsTriedLaterAndLaterAndAPersonIsTold(t *testing.T) {
	for count, want := range map[int]time.Duration{0: 0, 1: 300 * time.Millisecond, 3: 300 * time.Millisecond, 4: 600 * time.Millisecond, 10: 38400 * time.Millisecond, 11: time.Minute, 1000: time.Minute} {
		if got := (failures{count: count}).pause(); got != want {
			t.Errorf("after %d failures it waits %s, want %s", count, got, want)
		}
	}
	m := measuring(t)
	m.failed = map[string]failures{cloneJob: {tellsFailed - 1, "no route", time.Now()}}
	if !m.pauses(cloneJob) || m.step.WaitReason != instanceapi.WaitLeader {
		t.Errorf("seven failures: %+v", m.step)
	}
	m.failed[cloneJob] = failures{tellsFailed, "no route", time.Now()}
	if !m.pauses(cloneJob) || m.step.WaitReason != instanceapi.WaitFollow || !strings.Contains(m.step.Message, "the last 8 attempts failed, it is tried each 9.6s: no route") {
		t.Errorf("eight failures: %+v", m.step)
	}
	m.failed[initJob] = failures{tellsFailed, "no space left on device", time.Now()}
	if !m.pauses(initJob) || m.step.WaitReason != instanceapi.WaitInitialise {
		t.Errorf("initdb failed eight times: %+v", m.step)
	}
	m.leaderChanged(led("shop-3", 4, 9))
	if m.pauses(cloneJob) {
		t.Error("another leader has to wait for what the former one failed by")
	}
	m.failed[cloneJob] = failures{tellsFailed, "no route", time.Now().Add(-time.Minute)}
	if m.pauses(cloneJob) || m.pauses(rewindJob) {
		t.Error("it is not tried although its time has come")
	}
}
