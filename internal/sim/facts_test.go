package sim

import (
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

// What PostgreSQL really does, and the model must do too. Each was seen in experiments with 15 and 17.

func anyOf(number int, names ...string) Setting { return Setting{number, names} }

// primary with this setting in force, and one standby b that follows it.
func primary(setting Setting) (leader, standby *Server) {
	leader = Start(&Data{Timeline: 1, Setting: setting}, 1)
	standby = Start(&Data{Timeline: 1, StandbySignal: true}, 2)
	standby.Connect(leader, "b")
	return leader, standby
}

func receiveAll(s *Server) {
	for s.Receiver.Receive() {
	}
	s.Receiver.Reply()
}

func first(int) int { return 0 }

func TestACommitWaitsForItsStandby(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	commit := leader.Write(7)
	if commit.Acknowledged {
		t.Error("it is acknowledged before the standby has it")
	}
	receiveAll(standby)
	if !commit.Acknowledged || !standby.Data.Has(commit.Position, commit.Record) {
		t.Error("it is not acknowledged although the standby has it")
	}
}

func TestEmptyingTheSettingWhileACommitWaitsAcknowledgesIt(t *testing.T) {
	leader, _ := primary(anyOf(1, "b"))
	commit := leader.Write(7)
	leader.Configure(Setting{})
	if commit.Acknowledged {
		t.Error("before the checkpointer has taken it")
	}
	leader.Checkpoint()
	if !commit.Acknowledged {
		t.Error("the checkpointer lets nobody go")
	}
}

func TestAChangedSettingIsShownWhileTheCheckpointerHasNotTakenIt(t *testing.T) {
	leader, _ := primary(Setting{})
	leader.Configure(anyOf(1, "b"))
	if !leader.Shown().Equal(anyOf(1, "b")) || leader.Effective() {
		t.Error("a new session sees the new setting, which is not in force")
	}
	if !leader.Write(7).Acknowledged {
		t.Error("a commit waits before the checkpointer has said so")
	}
	for leader.TakeReload(first) > 0 {
	}
	if leader.Write(8).Acknowledged || !leader.Effective() {
		t.Error("a commit does not wait although it is in force")
	}
}

func TestEachWalsenderReleasesByItsOwnCopy(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	leader.Configure(anyOf(2, "b", "c"))
	leader.Checkpoint() // the checkpointer alone
	commit := leader.Write(7)
	receiveAll(standby)
	if !commit.Acknowledged || leader.Effective() {
		t.Error("a walsender that has not taken the setting yet releases by the former one")
	}
}

func TestTwoConnectionsWithOneNameCountTwice(t *testing.T) {
	leader, standby := primary(anyOf(2, "b", "c"))
	again := Start(standby.Data, 3)
	again.Connect(leader, "b")
	commit := leader.Write(7)
	receiveAll(standby)
	receiveAll(again)
	if !commit.Acknowledged {
		t.Error("one standby with two walsenders is not taken for two")
	}
}

func TestAReceiverOnAnotherTimelineTakesNothingAndItsFlushCounts(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	standby.Data.WAL = []Record{{1, 1, 7}, {1, 1, 8}, {1, 1, 9}}
	leader.Data.WAL = []Record{{1, 1, 7}, {2, 3, 0}}
	commit := leader.Write(10)
	receiveAll(standby)
	if len(standby.Data.WAL) != 3 || !commit.Acknowledged {
		t.Error("it takes what follows another record than its own last one, or its position does not count")
	}
	leader.Write(11)
	if standby.Receiver.Receive() {
		t.Error("it goes on behind a fork that it has passed")
	}
}

func TestADeadConnectionCountsUntilItsWalsenderIsTerminated(t *testing.T) {
	leader, standby := primary(anyOf(2, "b", "c"))
	leader.Write(7)
	receiveAll(standby)
	standby.Connect(leader, "b")
	if len(leader.Senders()) != 2 {
		t.Fatalf("%d walsenders", len(leader.Senders()))
	}
	leader.Terminate(leader.Senders()[0])
	commit := leader.Write(8)
	receiveAll(standby)
	if commit.Acknowledged {
		t.Error("a walsender that was terminated counts")
	}
}

func TestAReceiverGoesOnWhileNothingIsReplayed(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	commit := leader.Write(7)
	receiveAll(standby)
	if standby.Replayed != 0 || !commit.Acknowledged {
		t.Error("what is flushed counts, whether or not it is replayed")
	}
}

func TestAPromotionThatIsInterruptedStartsWritableOnTheOldTimeline(t *testing.T) {
	leader, standby := primary(Setting{})
	leader.Write(7)
	receiveAll(standby)
	standby.EndRecovery(2)
	standby.Stop()
	again := Start(standby.Data, 3)
	if again.Recovery || again.Write(8).Record.Timeline != 1 {
		t.Error("after a crash before the first checkpoint it goes on where pg_control is")
	}

	standby = Start(&Data{Timeline: 1, StandbySignal: true}, 4)
	standby.EndRecovery(2)
	standby.Checkpoint()
	standby.Stop()
	if again = Start(standby.Data, 5); again.Write(8).Record.Timeline != 2 {
		t.Error("after the checkpoint it is on the new one")
	}
}

func TestAPromotionThatWasBegunBeforeTakesTheNextNumber(t *testing.T) {
	_, standby := primary(Setting{})
	if taken := standby.BeginPromotion(5); taken != 5 {
		t.Errorf("the first one takes %d, where placeholders lead to 5", taken)
	}
	again := Start(standby.Data, 3)
	if taken := again.BeginPromotion(5); taken != 6 {
		t.Errorf("a second one takes %d, although the history file of 5 is there", taken)
	}
}

func TestAFastStopSendsTheShutdownCheckpoint(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	commit := leader.Write(7)
	leader.StopFast()
	receiveAll(standby)
	if commit.Acknowledged {
		t.Error("a commit whose wait was cancelled is acknowledged")
	}
	if !leader.Data.ShutDown || len(standby.Data.WAL) != len(leader.Data.WAL) || len(leader.Data.WAL) != 2 {
		t.Error("the standby lacks the shutdown checkpoint")
	}
	leader.Stop()
	if Start(leader.Data, 3).Data.ShutDown {
		t.Error("what was started again is said to be shut down")
	}
}

func TestWhoStopsForgetsWhoWaited(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	commit := leader.Write(7)
	leader.Stop()
	if standby.Receiver.Connected() || standby.Receiver.Receive() {
		t.Error("a walsender outlives its server")
	}
	if commit.Acknowledged || !Start(leader.Data, 3).Data.Has(commit.Position, commit.Record) {
		t.Error("its commit is in the WAL, and nobody was told")
	}
}

func TestADiskThatLiesLosesWhatItSaidItHad(t *testing.T) {
	data := &Data{WAL: []Record{{1, 1, 7}, {1, 1, 8}}, Unsynced: 1}
	data.LosePower()
	if len(data.WAL) != 1 {
		t.Errorf("%d records are left", len(data.WAL))
	}
}

func TestAnUpdateOfTheLeaseCountsOnlyOverTheVersionItWasMadeFrom(t *testing.T) {
	api := NewAPI()
	if api.Update(0, election.Record{Holder: "shop-1"}) {
		t.Error("a Lease that does not exist was updated")
	}
	api.Create(election.Record{})
	_, version, _ := api.Read()
	api.Send(version, election.Record{Holder: "shop-1", Revision: 1}, nil)
	if !api.Update(version, election.Record{Holder: "shop-2", Revision: 1}) {
		t.Error("refused")
	}
	api.Land(first)
	if record, _, _ := api.Read(); record.Holder != "shop-2" {
		t.Errorf("an update that landed late has taken the Lease for %s", record.Holder)
	}
	if record, version, _ := api.ReadCached(first); record.Holder != "" || version != 0 {
		t.Error("a cache is never behind")
	}
}

func TestALeaderIsAbleToAcknowledgeOnlyWhileEnoughAreAttached(t *testing.T) {
	leader, standby := primary(anyOf(1, "b"))
	attached := func(sender *Sender) bool { return standby.Receiver != nil && standby.Receiver.sender == sender }
	if leader.Acknowledges(attached) {
		t.Error("its door is shut")
	}
	leader.Open = true
	if !leader.Acknowledges(attached) {
		t.Error("the one that it waits for is attached")
	}
	leader.Configure(anyOf(2, "b", "c"))
	if !leader.Acknowledges(attached) {
		t.Error("the walsender has not taken the new setting, and releases by the former one")
	}
	for leader.TakeReload(first) > 0 {
	}
	if leader.Acknowledges(attached) {
		t.Error("two are waited for, and one is attached")
	}
	leader.Configure(anyOf(1, "b"))
	for leader.TakeReload(first) > 0 {
	}
	standby.Disconnect()
	if leader.Acknowledges(attached) {
		t.Error("nobody is attached")
	}
	leader.Configure(Setting{})
	leader.Checkpoint()
	if !leader.Acknowledges(attached) {
		t.Error("it waits for nobody")
	}
}
