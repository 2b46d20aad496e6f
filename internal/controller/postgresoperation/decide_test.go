package postgresoperation

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/election"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// world is a cluster c of three whose instances do what they are asked, some steps later.
type world struct {
	facts
	started map[string]time.Time
	// clock of restarts.
	clock time.Time
}

func newWorld(spec v1alpha1.PostgresOperationSpec) *world {
	w := &world{started: map[string]time.Time{}, clock: time.Unix(1000, 0)}
	spec.ClusterRef.Name = "c"
	w.spec, w.now = spec, time.Unix(2000, 0)
	w.cluster = &clusterFacts{uid: "u", wanted: 3, names: []string{"c-1", "c-2", "c-3"}, durability: v1alpha1.DurabilityRequired, term: 4}
	w.record = election.Record{Holder: "c-1", Term: 4, Position: "0/9", Quorum: election.Quorum{Mode: election.ModeQuorum, Required: 2,
		Members: map[string]string{"i-c-1": "c-1", "i-c-2": "c-2", "i-c-3": "c-3"}}}
	for _, name := range w.cluster.names {
		w.started[name] = w.clock
	}
	w.led("c-1")
	return w
}

// led gives every instance the status that it has while this one leads, "" for nobody.
func (w *world) led(leader string) {
	w.instances = map[string]contact.Instance{}
	var replicas []instanceapi.Replica
	for _, name := range w.cluster.names {
		if name != leader {
			replicas = append(replicas, instanceapi.Replica{Instance: name, State: "streaming"})
		}
	}
	for _, name := range w.cluster.names {
		status := instanceapi.Status{Instance: name, State: instanceapi.StateStreaming, Ready: true, ConfigurationRevision: "r",
			Volume: instanceapi.VolumeReport{Incarnation: "i-" + name, Position: "0/5", Term: 3}, Postgres: &instanceapi.Postgres{StartedAt: w.started[name], InRecovery: true}}
		switch leader {
		case name:
			status.State, status.Leader, status.Postgres.InRecovery, status.Postgres.Replicas = instanceapi.StateRunning, true, false, replicas
		case "":
			status.State = instanceapi.StateFollowing
		}
		w.instances[name] = contact.Instance{Client: instanceapi.NewClient("", nil), Status: status}
	}
}

func (w *world) edit(name string, change func(*contact.Instance)) {
	found := w.instances[name]
	change(&found)
	w.instances[name] = found
}

func (w *world) away(name string) {
	w.edit(name, func(i *contact.Instance) { i.Err = errors.New("timeout") })
}

func TestWhatIsRefusedSinceItCouldNotBeDoneSafely(t *testing.T) {
	switchover := func(to string) v1alpha1.PostgresOperationSpec {
		return v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: to}}
	}
	restart := func(name string) v1alpha1.PostgresOperationSpec {
		return v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: name}}
	}
	reinitialize := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationReinitialize, Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "c-2"}}
	force := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationForcePromotion, ForcePromotion: &v1alpha1.ForcePromotionOperation{Instance: "c-2"}}
	for name, tc := range map[string]struct {
		spec   v1alpha1.PostgresOperationSpec
		change func(*world)
		want   string
	}{
		"a cluster that there is not":                             {switchover(""), func(w *world) { w.cluster = nil }, "UnknownCluster"},
		"a hibernated cluster":                                    {restart(""), func(w *world) { w.cluster.wanted = 0 }, "Hibernated"},
		"another operation runs":                                  {restart(""), func(w *world) { w.rival = "other" }, "OperationRunning"},
		"an instance that there is not":                           {switchover("c-9"), nil, "UnknownInstance"},
		"another cluster's instance":                              {restart("d-1"), nil, "UnknownInstance"},
		"a switchover to a standby":                               {switchover("c-2"), nil, ""},
		"to the best":                                             {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover}, nil, ""},
		"to the one that leads":                                   {switchover("c-1"), nil, "AlreadyPrimary"},
		"while nobody leads":                                      {switchover("c-2"), func(w *world) { w.led("") }, "NoPrimary"},
		"to one that is no member":                                {switchover("c-2"), func(w *world) { delete(w.record.Quorum.Members, "i-c-2") }, "NotMember"},
		"to one that lags":                                        {switchover("c-2"), func(w *world) { w.instances["c-1"].Status.Postgres.Replicas[0].LagBytes = 1 << 30 }, "Lagging"},
		"to one that does not stream":                             {switchover("c-2"), func(w *world) { w.instances["c-1"].Status.Postgres.Replicas[0].State = "catchup" }, "Lagging"},
		"to one that does not answer":                             {switchover("c-2"), func(w *world) { w.away("c-2") }, "Unreachable"},
		"to the best, of none":                                    {switchover(""), func(w *world) { w.away("c-2"); w.away("c-3") }, "NobodyEligible"},
		"a restart of all":                                        {restart(""), nil, ""},
		"a restart while another does not serve":                  {restart("c-3"), func(w *world) { w.away("c-2") }, "NotSafe"},
		"a restart while another's copy does not count":           {restart("c-3"), func(w *world) { delete(w.record.Quorum.Members, "i-c-2") }, "NotSafe"},
		"a restart of one that is away":                           {restart("c-2"), func(w *world) { w.away("c-2") }, "Unreachable"},
		"a restart of all, and one is away":                       {restart(""), func(w *world) { w.away("c-2") }, "Unreachable"},
		"a restart of one that is not ready":                      {restart("c-2"), func(w *world) { w.edit("c-2", func(i *contact.Instance) { i.Status.Ready = false }) }, ""},
		"a standby cloned anew":                                   {reinitialize, nil, ""},
		"the primary cloned anew":                                 {reinitialize, func(w *world) { w.record.Holder = "c-2"; w.led("c-2") }, "NotStandby"},
		"a standby, and the other is away":                        {reinitialize, func(w *world) { w.away("c-3") }, "NotSafe"},
		"the same, where fewer will do":                           {reinitialize, func(w *world) { w.away("c-3"); w.cluster.durability = v1alpha1.DurabilityPreferred }, ""},
		"a standby that is away":                                  {reinitialize, func(w *world) { w.away("c-2") }, "Unreachable"},
		"a standby, and nobody leads":                             {reinitialize, func(w *world) { w.led("") }, "NoPrimary"},
		"a forced promotion while somebody leads":                 {force, nil, "LeaderReachable"},
		"a forced promotion beside a primary that lost the Lease": {force, func(w *world) { w.record.Holder = "c-3" }, "LeaderReachable"},
		"a forced promotion of one that is away":                  {force, func(w *world) { w.led(""); w.away("c-2") }, "Unreachable"},
		"a forced promotion where nobody leads":                   {force, func(w *world) { w.led("") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(tc.spec)
			if tc.change != nil {
				tc.change(w)
			}
			got := decide(w.facts)
			if passes := mayPass(tc.want); passes != (got.verb == verbPostpone) {
				t.Errorf("at first: %s %s: %s", got.verb, got.reason, got.message)
			} else if passes {
				w.status = statusOf(1, got, *at(w.now))
				w.now = w.now.Add(admittedWithin + time.Second)
				got = decide(w.facts)
			}
			if tc.want == "" && got.verb != verbAccept || tc.want != "" && (got.verb != verbRefuse || got.reason != tc.want) {
				t.Errorf("%s %s: %s; want %q", got.verb, got.reason, got.message, tc.want)
			}
			if got.message == "" || (got.verb == verbAccept && (got.status.StartedAt == nil || got.status.ClusterUID != "u" || got.status.From.Term != 4)) {
				t.Errorf("%q, %+v", got.message, got.status)
			}
		})
	}
}

// story runs an operation in the world, whose instances obey at once, and tells the steps, those of waiting and noting left out.
// Before each step the operator restarts: it has what is in the status and nothing else.
func (w *world) story(t *testing.T) []string {
	t.Helper()
	var steps []string
	for range 100 {
		next := decide(w.facts)
		w.status = *next.status.DeepCopy()
		switch next.verb {
		case verbAccept, verbRemember, verbWait, verbPostpone:
			continue
		case verbSwitchover:
			steps = append(steps, fmt.Sprintf("%s hands over to %s", next.instance, next.to))
			w.clock = w.clock.Add(time.Second)
			w.started[next.instance] = w.clock
			to := next.to
			if to == "" {
				to = "c-2"
			}
			w.record.Holder, w.record.Term = to, w.record.Term+1
			w.led(to)
		case verbRestart:
			steps = append(steps, next.instance+" restarts")
			w.clock = w.clock.Add(time.Second)
			w.started[next.instance] = w.clock
			w.led(w.record.Holder)
		case verbReinitialize:
			steps = append(steps, next.instance+" is cloned")
			w.edit(next.instance, func(i *contact.Instance) { i.Status.Volume.Incarnation = "new" })
		case verbPromote:
			steps = append(steps, next.instance+" takes the Lease")
			w.record.Holder, w.record.Term = next.instance, w.record.Term+1
			w.led(next.instance)
		case verbRefuse, verbSucceed, verbFail:
			return append(steps, string(next.verb)+": "+next.message)
		}
		// The answer is lost with the operator at every second request.
		if len(steps)%2 == 0 {
			w.status = answered(w.facts, next, nil).status
		}
	}
	t.Fatalf("no end: %v", steps)
	return nil
}

func TestWhatWouldBeRefusedIsBegunWhenThePassingReasonIsGone(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "c-3"}})
	w.edit("c-2", func(i *contact.Instance) { i.Status.State = instanceapi.StateFollowing })
	postponed := decide(w.facts)
	status := statusOf(1, postponed, *at(w.now))
	accepted := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionAccepted)
	if postponed.verb != verbPostpone || accepted == nil || accepted.Status != metav1.ConditionUnknown || accepted.Reason != v1alpha1.ReasonNotSafe || status.FinishedAt != nil {
		t.Errorf("while c-2 connects anew: %s, %+v", postponed.verb, status)
	}
	w.status = status
	w.led("c-1")
	if got := decide(w.facts); got.verb != verbAccept {
		t.Errorf("once it streams: %s %s", got.verb, got.message)
	}
}

func TestStoriesOfOperations(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   v1alpha1.PostgresOperationSpec
		change func(*world)
		want   string
	}{
		"a switchover": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "c-3"}}, nil,
			"c-1 hands over to c-3, succeed: c-3 leads since term 5, in place of c-1"},
		"a switchover to the best": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover}, nil,
			"c-1 hands over to , succeed: c-2 leads since term 5, in place of c-1"},
		"a restart of all": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart}, nil,
			"c-2 restarts, c-3 restarts, c-1 hands over to c-2, succeed: restarted, and serving again: c-2, c-3, c-1"},
		"a restart of a standby": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "c-3"}}, nil,
			"c-3 restarts, succeed: restarted, and serving again: c-3"},
		"a restart of the primary": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart, Restart: &v1alpha1.RestartOperation{Instance: "c-1"}}, nil,
			"c-1 hands over to c-2, succeed: restarted, and serving again: c-1"},
		"a restart of the only instance": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart},
			func(w *world) { w.cluster.wanted, w.cluster.names = 1, []string{"c-1"}; w.led("c-1") },
			"c-1 restarts, succeed: restarted, and serving again: c-1"},
		"a standby cloned anew": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationReinitialize, Reinitialize: &v1alpha1.ReinitializeOperation{Instance: "c-2"}}, nil,
			"c-2 is cloned, succeed: c-2 was cloned anew, and streams"},
		"a forced promotion": {v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationForcePromotion, ForcePromotion: &v1alpha1.ForcePromotionOperation{Instance: "c-2"}},
			func(w *world) { w.led("") }, "c-2 takes the Lease, succeed: c-2 leads since term 5, in place of c-1. What it lacked is lost, and so is what any other instance acknowledges until it has read this Lease: keep clients from those that are cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(tc.spec)
			if tc.change != nil {
				tc.change(w)
			}
			if got := strings.Join(w.story(t), ", "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if p := w.status.Promotion; tc.spec.ForcePromotion != nil && (p == nil || p.Position != "0/5" || p.Term != 3 || p.LeaderPosition != "0/9" || p.LeaderTerm != 4) {
				t.Errorf("both positions: %+v", p)
			}
		})
	}
}

func TestWhatAnAnswerOfAnInstanceMeans(t *testing.T) {
	refusal := func(code int, reason string) error {
		return fmt.Errorf("asking: %w", &instanceapi.RefusedError{Code: code, Answer: instanceapi.Error{Reason: reason, Message: "told"}})
	}
	for name, tc := range map[string]struct {
		operation v1alpha1.OperationType
		verb      verb
		err       error
		want      string
	}{
		"taken":                         {v1alpha1.OperationSwitchover, verbSwitchover, nil, "wait HandingOver"},
		"lost on the way":               {v1alpha1.OperationSwitchover, verbSwitchover, errors.New("EOF"), "wait HandingOver"},
		"busy":                          {v1alpha1.OperationSwitchover, verbSwitchover, refusal(409, "Busy"), "wait HandingOver"},
		"leads no more":                 {v1alpha1.OperationSwitchover, verbSwitchover, refusal(409, "NotLeader"), "wait HandingOver"},
		"a mistake":                     {v1alpha1.OperationSwitchover, verbSwitchover, refusal(500, "Failed"), "wait HandingOver"},
		"lagging":                       {v1alpha1.OperationSwitchover, verbSwitchover, refusal(409, "Lagging"), "fail Lagging"},
		"no member":                     {v1alpha1.OperationSwitchover, verbSwitchover, refusal(409, "NotMember"), "fail NotMember"},
		"for a reason of its own":       {v1alpha1.OperationSwitchover, verbSwitchover, refusal(409, "Whatever"), "fail Refused"},
		"not known":                     {v1alpha1.OperationSwitchover, verbSwitchover, refusal(404, ""), "fail NotSupported"},
		"not known either":              {v1alpha1.OperationReinitialize, verbReinitialize, refusal(405, ""), "fail NotSupported"},
		"a restart waits for a standby": {v1alpha1.OperationRestart, verbSwitchover, refusal(409, "NobodyEligible"), "wait Restarting"},
		"a restart does without":        {v1alpha1.OperationRestart, verbSwitchover, refusal(404, ""), "remember Restarting"},
		"too few members":               {v1alpha1.OperationReinitialize, verbReinitialize, refusal(409, "NotSafe"), "fail NotSafe"},
		"somebody leads":                {v1alpha1.OperationForcePromotion, verbPromote, refusal(409, "LeaderReachable"), "fail LeaderReachable"},
		"an election could":             {v1alpha1.OperationForcePromotion, verbPromote, refusal(409, "VotesEnough"), "fail VotesEnough"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(v1alpha1.PostgresOperationSpec{Type: tc.operation})
			w.status.Instances = []v1alpha1.OperationInstance{{Name: "c-1", State: v1alpha1.OperationInstanceHandingOver}}
			got := answered(w.facts, step{verb: tc.verb, instance: "c-1", status: w.status}, tc.err)
			if said := fmt.Sprintf("%s %s", got.verb, got.reason); said != tc.want || (got.status.RequestedAt != nil) != (tc.err == nil) {
				t.Errorf("%s: %s (requested %v), want %s", said, got.message, got.status.RequestedAt, tc.want)
			}
		})
	}
}

func TestAnOperationEndsWhenTheWorldDoesNotFollow(t *testing.T) {
	restart := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart}
	switchover := v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover, Switchover: &v1alpha1.SwitchoverOperation{To: "c-2"}}
	for name, tc := range map[string]struct {
		spec   v1alpha1.PostgresOperationSpec
		change func(*world)
		want   string
	}{
		"the cluster is deleted":            {switchover, func(w *world) { w.cluster = nil }, "UnknownCluster"},
		"another one has its name":          {switchover, func(w *world) { w.cluster.uid = "v" }, "UnknownCluster"},
		"the cluster hibernates":            {restart, func(w *world) { w.cluster.wanted = 0 }, "Hibernated"},
		"nobody can be asked":               {switchover, func(w *world) { w.led(""); w.now = w.now.Add(time.Hour) }, "TimedOut"},
		"the leader does not hand over":     {switchover, func(w *world) { w.status.RequestedAt = at(w.now); w.now = w.now.Add(time.Hour) }, "TimedOut"},
		"another comes to lead":             {switchover, func(w *world) { w.record.Holder, w.record.Term = "c-3", 5; w.led("c-3") }, "AnotherLeads"},
		"who came to lead takes no writes":  {switchover, func(w *world) { w.record.Holder, w.record.Term = "c-2", 5; w.led(""); w.now = w.now.Add(time.Hour) }, "TimedOut"},
		"one in the row does not come back": {restart, func(w *world) { w.away("c-2"); w.now = w.now.Add(time.Hour) }, "TimedOut"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(tc.spec)
			w.status = decide(w.facts).status
			tc.change(w)
			if got := decide(w.facts); got.verb != verbFail || got.reason != tc.want {
				t.Errorf("%s %s: %s; want %s", got.verb, got.reason, got.message, tc.want)
			}
		})
	}
}

func TestTheNextIsStoppedOnlyWhenTheOneBeforeServes(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRestart})
	w.status = decide(w.facts).status
	w.status.Instances[0].State = v1alpha1.OperationInstanceDone
	w.edit("c-2", func(i *contact.Instance) { i.Status.State = instanceapi.StateFollowing })
	if got := decide(w.facts); got.verb != verbWait || !strings.Contains(got.message, "c-3 is next, when c-2 serves") {
		t.Errorf("%s: %s", got.verb, got.message)
	}
}

func TestTheOldestThatEndedGoFirst(t *testing.T) {
	var all []v1alpha1.PostgresOperation
	for i := range keptForEach + 2 {
		one := v1alpha1.PostgresOperation{}
		one.Name, one.Spec.ClusterRef.Name = fmt.Sprintf("op-%02d", i), "c"
		one.Status.FinishedAt = at(time.Unix(int64(1000-i), 0))
		all = append(all, one)
	}
	running, other := v1alpha1.PostgresOperation{}, v1alpha1.PostgresOperation{}
	running.Spec.ClusterRef.Name, other.Spec.ClusterRef.Name = "c", "d"
	other.Status.FinishedAt = at(time.Unix(1, 0))
	all = append(all, running, other)
	var names []string
	for _, old := range surplus(all, "c") {
		names = append(names, old.Name)
	}
	if want := []string{fmt.Sprintf("op-%02d", keptForEach), fmt.Sprintf("op-%02d", keptForEach+1)}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	if surplus(all, "d") != nil {
		t.Error("one of another cluster goes")
	}
}

func TestOnAClusterThatIsLeftAloneAnOperationWaitsAndSaysWhy(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationSwitchover})
	w.cluster.unmanaged = "spec.managementState"
	for range 3 {
		next := decide(w.facts)
		if next.verb != verbPostpone || next.reason != v1alpha1.ReasonClusterUnmanaged || !strings.Contains(next.message, "spec.managementState") {
			t.Fatalf("the step is %+v", next)
		}
		w.status = statusOf(1, next, *at(w.now))
		w.now = w.now.Add(time.Hour)
	}
	w.cluster.unmanaged = ""
	if next := decide(w.facts); next.verb != verbAccept {
		t.Errorf("it is managed again, and the step is %+v", next)
	}
}

func TestCertificatesAreRenewedOfAClusterThatIsLeftAloneToo(t *testing.T) {
	w := newWorld(v1alpha1.PostgresOperationSpec{Type: v1alpha1.OperationRenewCertificates})
	w.uid, w.cluster.unmanaged = "o", "spec.managementState"
	accepted := decide(w.facts)
	if accepted.verb != verbAccept {
		t.Fatalf("the step is %+v", accepted)
	}
	w.status = statusOf(1, accepted, *at(w.now))
	if next := decide(w.facts); next.verb != verbWait {
		t.Errorf("nothing was issued yet, and the step is %+v", next)
	}
	w.cluster.renewedBy = "o"
	if next := decide(w.facts); next.verb != verbSucceed {
		t.Errorf("they were issued, and the step is %+v", next)
	}
	w.cluster.renewedBy, w.now = "another", w.now.Add(4*time.Minute)
	if next := decide(w.facts); next.verb != verbFail || next.reason != v1alpha1.ReasonTimedOut {
		t.Errorf("nothing was issued for minutes, and the step is %+v", next)
	}
}
