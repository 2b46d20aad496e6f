package contact

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
)

// answers is one instance as the operator meets it: how often it was asked, and what it says.
type answers struct {
	server *httptest.Server
	// own and all are how often it was asked for itself, and for all.
	own, all atomic.Int64
}

// addresses of three instances, and the pods that have them.
const firstIP, secondIP, thirdIP = "10.0.0.1", "10.0.0.2", "10.0.0.3"

// instanceThat says this of itself, and of the others; where knowsNone, it is too old to be asked for them.
func instanceThat(t *testing.T, says instanceapi.Status, knowsNone bool, others ...instanceapi.Status) *answers {
	t.Helper()
	a := &answers{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+instanceapi.PathStatus, func(w http.ResponseWriter, _ *http.Request) {
		a.own.Add(1)
		if err := json.NewEncoder(w).Encode(says); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET "+instanceapi.PathStatuses, func(w http.ResponseWriter, r *http.Request) {
		a.all.Add(1)
		if knowsNone {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(instanceapi.Statuses{Own: says, Others: others}); err != nil {
			t.Error(err)
		}
	})
	a.server = httptest.NewTLSServer(mux)
	t.Cleanup(a.server.Close)
	return a
}

// dialling these instances by name.
func dialling(t *testing.T, instances map[string]*answers) Dial {
	t.Helper()
	return func(name, _ string) *instanceapi.Client {
		asked := instances[name]
		authorities := x509.NewCertPool()
		authorities.AddCert(asked.server.Certificate())
		made := instanceapi.NewClient(asked.server.Listener.Addr().String(), &tls.Config{RootCAs: authorities, ServerName: "example.com", MinVersion: tls.VersionTLS13})
		t.Cleanup(made.Close)
		return made
	}
}

// runningPods with these addresses, whose managers run.
func runningPods(addresses map[string]string) map[string]*corev1.Pod {
	pods := map[string]*corev1.Pod{}
	for name, ip := range addresses {
		pods[name] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.PodStatus{PodIP: ip, ContainerStatuses: []corev1.ContainerStatus{
			{Name: desired.ContainerPostgres, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}}
	}
	return pods
}

func threePods() map[string]*corev1.Pod {
	return runningPods(map[string]string{"shop-1": firstIP, "shop-2": secondIP, "shop-3": thirdIP})
}

// three instances, of which the first tells of these others.
func three(t *testing.T, others ...instanceapi.Status) map[string]*answers {
	t.Helper()
	return map[string]*answers{
		"shop-1": instanceThat(t, at("shop-1", firstIP), false, others...),
		"shop-2": instanceThat(t, at("shop-2", secondIP), false),
		"shop-3": instanceThat(t, at("shop-3", thirdIP), false),
	}
}

func at(name, ip string) instanceapi.Status { return instanceapi.Status{Instance: name, Address: ip} }

// expectAsked is how often each was asked for itself, and the first one for all.
func expectAsked(t *testing.T, instances map[string]*answers, all int64, own map[string]int64) {
	t.Helper()
	for name, a := range instances {
		if a.own.Load() != own[name] {
			t.Errorf("%s was asked for itself %d times, want %d", name, a.own.Load(), own[name])
		}
		if name != "shop-1" && a.all.Load() != 0 {
			t.Errorf("%s, which does not lead, was asked for all", name)
		}
	}
	if got := instances["shop-1"].all.Load(); got != all {
		t.Errorf("the leader was asked for all %d times, want %d", got, all)
	}
}

func TestTheLeaderIsAskedForAllAndNobodyElseIs(t *testing.T) {
	instances := three(t, at("shop-2", secondIP), at("shop-3", thirdIP))
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	for _, name := range []string{"shop-1", "shop-2", "shop-3"} {
		if !found[name].Answers() || found[name].Status.Instance != name {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	expectAsked(t, instances, 1, nil)
}

func TestOneThatTheLeaderDoesNotTellOfIsAskedItself(t *testing.T) {
	instances := three(t, at("shop-2", secondIP))
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	if len(found) != 3 || !found["shop-3"].Answers() {
		t.Errorf("found %+v", found)
	}
	expectAsked(t, instances, 1, map[string]int64{"shop-3": 1})
}

func TestWhatTheLeaderTellsOfAPodThatIsGoneIsNotTakenForItsSuccessor(t *testing.T) {
	instances := three(t, at("shop-2", "10.0.0.99"), at("shop-3", thirdIP), at("shop-4", "10.0.0.4"))
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	if found["shop-2"].Status.Address != secondIP {
		t.Errorf("the former one is believed: %+v", found["shop-2"].Status)
	}
	if _, known := found["shop-4"]; known {
		t.Error("there is an instance that has no pod")
	}
	expectAsked(t, instances, 1, map[string]int64{"shop-2": 1})
}

func TestALeaderThatKnowsNothingOfAllIsAskedForItselfAndSoAreTheOthers(t *testing.T) {
	instances := three(t)
	instances["shop-1"] = instanceThat(t, at("shop-1", firstIP), true)
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	for name, instance := range found {
		if !instance.Answers() {
			t.Errorf("%s: %v", name, instance.Err)
		}
	}
	expectAsked(t, instances, 1, map[string]int64{"shop-1": 1, "shop-2": 1, "shop-3": 1})
}

func TestWithoutALeaderThatRunsEachIsAskedItself(t *testing.T) {
	for _, holder := range []string{"", "shop-9"} {
		instances := three(t)
		if found := Ask(t.Context(), threePods(), holder, dialling(t, instances), nil); len(found) != 3 {
			t.Errorf("held by %q: %+v", holder, found)
		}
		expectAsked(t, instances, 0, map[string]int64{"shop-1": 1, "shop-2": 1, "shop-3": 1})
	}
}

func TestOneThatDoesNotAnswerIsToldAndDelaysNobody(t *testing.T) {
	instances := three(t)
	instances["shop-2"].server.Close()
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	if found["shop-2"].Answers() || found["shop-2"].Err == nil || errors.Is(found["shop-2"].Err, errNotAsked) || found["shop-2"].Client == nil {
		t.Errorf("it is gone, and this is told of it: %+v", found["shop-2"])
	}
	if !found["shop-3"].Answers() {
		t.Errorf("shop-3: %v", found["shop-3"].Err)
	}
}

func TestALeaderThatHangsIsGivenUpAndTheOthersAreAskedThemselves(t *testing.T) {
	instances := three(t)
	hangs := make(chan struct{})
	silent := &answers{server: httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hangs:
		case <-r.Context().Done():
		}
	}))}
	t.Cleanup(func() { close(hangs); silent.server.Close() })
	instances["shop-1"] = silent
	begin := time.Now()
	found := Ask(t.Context(), threePods(), "shop-1", dialling(t, instances), nil)
	if found["shop-1"].Answers() || !found["shop-2"].Answers() || !found["shop-3"].Answers() {
		t.Errorf("found %+v", found)
	}
	if took := time.Since(begin); took > 3*Within {
		t.Errorf("it took %s, to be twice %s", took, Within)
	}
}

func TestAnAddressThatAnswersAsAnotherInstanceIsNoAnswer(t *testing.T) {
	instances := three(t)
	instances["shop-2"] = instanceThat(t, at("shop-3", secondIP), false)
	found := Ask(t.Context(), threePods(), "", dialling(t, instances), nil)
	if found["shop-2"].Answers() {
		t.Errorf("believed: %+v", found["shop-2"].Status)
	}
}

func TestPodsWhoseManagerDoesNotRunAreNotAsked(t *testing.T) {
	pods := threePods()
	pods["shop-2"].Status.PodIP = ""
	pods["shop-3"].Status.ContainerStatuses[0].State.Running = nil
	instances := three(t, at("shop-2", ""), at("shop-3", thirdIP))
	found := Ask(t.Context(), pods, "shop-1", dialling(t, instances), nil)
	if len(found) != 1 || !found["shop-1"].Answers() {
		t.Errorf("found %+v", found)
	}
	expectAsked(t, instances, 1, nil)
}

func TestThatThereIsNoWayToDialIsToldOfEachThatRuns(t *testing.T) {
	found := Ask(t.Context(), threePods(), "shop-1", nil, errNoAuthority)
	for _, name := range []string{"shop-1", "shop-2", "shop-3"} {
		if instance := found[name]; instance.Answers() || !errors.Is(instance.Err, errNoAuthority) {
			t.Errorf("%s: %+v", name, instance)
		}
	}
}
