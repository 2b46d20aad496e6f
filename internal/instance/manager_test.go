package instance

import (
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instance/logs"
	"github.com/timonier-io/timonier/internal/instance/server"
	"github.com/timonier-io/timonier/internal/instance/supervisor"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

func load(t *testing.T, directory string) *configurations {
	t.Helper()
	c, err := loadConfigurations(directory)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// put takes a configuration for good.
func put(t *testing.T, c *configurations, revision string) {
	t.Helper()
	c.use(&instanceapi.Configuration{Revision: revision})
	if err := c.keep(); err != nil {
		t.Fatal(err)
	}
}

func TestAConfigurationIsGivenBackToTheLastThatCameUp(t *testing.T) {
	directory := t.TempDir()
	c := load(t, directory)
	put(t, c, "good")
	if c.onTrial() {
		t.Error("the first one has nothing to go back to")
	}
	c.cameUp("good")
	put(t, c, "bad")
	if !c.onTrial() {
		t.Error("one that has not come up yet is on trial")
	}
	restored, _, err := c.giveBack()
	if err != nil || !restored {
		t.Fatalf("given back: %v, %v", restored, err)
	}
	if err := c.reject("bad", "why"); err != nil {
		t.Fatal(err)
	}
	again := load(t, directory)
	if again.revision() != "good" || again.rejection() == nil || again.rejection().Revision != "bad" {
		t.Errorf("after a restart: %q, %+v", again.revision(), again.rejection())
	}
	if restored, _, _ := again.giveBack(); restored {
		t.Error("the good one was given back")
	}
	put(t, again, "better")
	if load(t, directory).rejection() != nil {
		t.Error("an accepted configuration leaves the rejection")
	}
}

func TestWhatIsOnlyTriedIsNotKept(t *testing.T) {
	directory := t.TempDir()
	c := load(t, directory)
	put(t, c, "one")
	former := c.use(&instanceapi.Configuration{Revision: "two"})
	if c.revision() != "two" || former.Revision != "one" || load(t, directory).revision() != "one" {
		t.Errorf("in force %q, former %q, on disk %q", c.revision(), former.Revision, load(t, directory).revision())
	}
	c.cameUp("one") // a server that started before
	if load(t, directory).good != nil {
		t.Error("a configuration that is not in force was noted as good")
	}
}

func TestALeaderThatIsNotOpenYetHandsNothingOver(t *testing.T) {
	m := measuring(t)
	m.process = process{primary: true}
	if refused, ok := asRefusal(m.beginHandover("shop-2")); !ok || refused.Reason != "Busy" || m.handing != nil {
		t.Errorf("refused: %+v; handing over: %+v", refused, m.handing)
	}
}

func TestAHandoverEndsWithTheServerThatWasToBeStopped(t *testing.T) {
	m := measuring(t)
	m.handing = &handingOver{to: "shop-2", until: time.Now().Add(time.Minute), asked: true}
	m.giveHandoverUp("postgres is started again")
	m.giveHandoverUp("postgres is started again")
	if got, want := told(t, m), `handovers_total{outcome="given_up"} 1`; got != want || m.handing != nil {
		t.Errorf("told is %s, want %s; handing over: %+v", got, want, m.handing)
	}
}

func TestStartsAreSpacedAndNeverGivenUp(t *testing.T) {
	var last time.Duration
	for failures := range 50 {
		pause := backOff(failures)
		if pause < last || pause > 10*time.Second {
			t.Errorf("after %d failures it waits %s, before that %s", failures, pause, last)
		}
		last = pause
	}
	if backOff(1) != 0 || last != 10*time.Second {
		t.Errorf("first %s, last %s", backOff(1), last)
	}
}

func TestOnlyARenewalIsTakenFromTheWatch(t *testing.T) {
	before := election.Record{Holder: "shop-1", HolderIncarnation: "a1", Address: "10.0.0.1", Term: 2, Timeline: 2, Revision: 9, System: "7711"}
	renewed := before
	renewed.Revision, renewed.Position = 10, "0/7"
	if !renewalOf(before, renewed) {
		t.Error("a renewal is not taken")
	}
	for name, change := range map[string]func(*election.Record){
		"holder": func(r *election.Record) { r.Holder = "shop-2" }, "incarnation": func(r *election.Record) { r.HolderIncarnation = "a2" },
		"address": func(r *election.Record) { r.Address = "10.0.0.2" }, "term": func(r *election.Record) { r.Term++ },
		"timeline": func(r *election.Record) { r.Timeline++ }, "system": func(r *election.Record) { r.System = "9" },
		"an older revision": func(r *election.Record) { r.Revision = 8 },
	} {
		changed := renewed
		change(&changed)
		if renewalOf(before, changed) {
			t.Errorf("a changed %s is taken for a renewal", name)
		}
	}
}

func TestOnlyWhatCanNeverBeFollowedMeansCloning(t *testing.T) {
	for message, want := range map[string]bool{
		`could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000003 has already been removed`: true,
		`new timeline 4 forked off current database system timeline 1 before current recovery point 0/5000148`:                    true,
		`requested starting point 0/6000000 on timeline 1 is not in this server's history`:                                        false, // a restart is enough
		`could not connect to the primary server: connection refused`:                                                             false,
		`terminating walreceiver due to timeout`:                                                                                  false,
		`could not start WAL streaming: ERROR:  replication slot "timonier_shop_2" does not exist`:                                false,
	} {
		if got := unfollowable(message); got != want {
			t.Errorf("%q: %v", message, got)
		}
	}
}

func TestWALThatDoesNotContinueWhatIsHereIsARefusalWhereItKeepsComing(t *testing.T) {
	atTheEnd := logs.Entry{BackendType: "startup", Message: "record with incorrect prev-link 10000/10000 at 0/60000A0"}
	var f lastFatal
	f.see(atTheEnd)
	f.see(logs.Entry{BackendType: "client backend", Message: atTheEnd.Message})
	f.see(logs.Entry{BackendType: "startup", Message: "invalid resource manager ID 77 at 0/60000A0"})
	if _, why := f.unfollowed(); why != "" {
		t.Errorf("twice is enough: %s", why)
	}
	f.see(logs.Entry{BackendType: "startup", Message: "invalid record length at 0/60000A0: expected at least 24, got 7"})
	if at, _ := f.unfollowed(); at.IsZero() {
		t.Error("three times is not enough")
	}
	f.followed()
	f.see(atTheEnd)
	if at, _ := f.unfollowed(); !at.IsZero() {
		t.Error("what was said before it followed counts")
	}
}

func TestNobodyIsSentToALeaderThatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		cause        string
		opened, open bool
		want         bool
	}{
		"it is not heard":               {cause: election.CauseSilent, want: true},
		"it is heard, and not answered": {cause: election.CauseUnreachable, want: true},
		"it handed over":                {cause: election.CauseHandover},
		"it left":                       {cause: election.CauseReleased},
		"its successor is open":         {cause: election.CauseSilent, open: true},
		"its successor was open before": {cause: election.CauseSilent, opened: true},
	} {
		m := &Manager{process: process{open: c.open}}
		failover := election.Failover{Cause: c.cause}
		if c.opened {
			failover.OpenedAt = time.Now()
		}
		if got := m.missing(election.Record{LastFailover: &failover}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if m.missing(election.Record{}) {
			t.Error("there was none")
		}
	}
}

func TestAStandbyThatGetsNoWALForMinutesThoughItsLeaderServesCannotFollow(t *testing.T) {
	m := measuring(t)
	m.process.postmaster, m.process.observation = &supervisor.Postmaster{}, &server.Observation{InRecovery: true}
	for since, want := range map[time.Duration]instanceapi.WaitReason{time.Minute: "", tellsUnfed + time.Second: instanceapi.WaitFollow} {
		m.following.unfed = time.Now().Add(-since)
		if _, reason, _ := m.state(); reason != want {
			t.Errorf("after %s it waits for %q, want %q", since, reason, want)
		}
	}
}
