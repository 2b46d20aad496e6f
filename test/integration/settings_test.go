//go:build integration

package integration

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/operator/settings"
)

// configured has the ConfigMap of settings hold this, and nothing else.
func configured(t *testing.T, c client.Client, data map[string]string) {
	t.Helper()
	wanted := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "timonier-system", Name: "timonier-operator"}, Data: data}
	err := c.Update(t.Context(), wanted)
	if client.IgnoreNotFound(err) == nil && err != nil {
		err = c.Create(t.Context(), wanted)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inForce are the settings that an operator serves, by name; nil where it does not answer.
func inForce(t *testing.T, address string) map[string]settings.Setting {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/settings", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }() // only read
	var page struct {
		Settings []settings.Setting `json:"settings"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return nil
	}
	found := map[string]settings.Setting{}
	for _, setting := range page.Settings {
		found[setting.Name] = setting
	}
	return found
}

// expectInForce waits until a setting has this value from this source, and tells this of what is not in force.
func expectInForce(t *testing.T, address, name, value string, source settings.Source, notInForce settings.Reason) {
	t.Helper()
	var last settings.Setting
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s was last %+v", name, last)
		}
	})
	eventually(t, name+" is "+value+" from "+string(source)+", not in force: "+string(notInForce), func() bool {
		last = inForce(t, address)[name]
		return last.Value == value && last.Source == source && last.NotInForce == notInForce
	})
}

// freeAddress on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it was listened to for its address alone
	return listener.Addr().String()
}

func TestAChangedConfigMapIsInForceWithoutARestartWhereThatIsSafeAndElseSaysSo(t *testing.T) {
	program, c, kubeconfig := operatorBuilt(t)
	// No cluster would be quarantined by these within the time of a test.
	configured(t, c, map[string]string{"max-retries": "20", "quarantine-after": "20m", "probe-interval": "40m", "workers": "4", "max-retires": "3"})
	address := freeAddress(t)
	first := operatorWith(t, program, kubeconfig, []string{"TIMONIER_PROBE_INTERVAL_MAX=5h", "TIMONIER_PROBE_INTERVAL=50m"}, "--metrics-address="+address, "--probe-interval=45m")

	// Flags go before the environment, that before the ConfigMap, and that before the defaults.
	expectInForce(t, address, "probe-interval", "45m", settings.SourceFlag, settings.ReasonOverridden)
	expectInForce(t, address, "probe-interval-max", "5h", settings.SourceEnvironment, "")
	expectInForce(t, address, "max-retries", "20", settings.SourceConfigMap, "")
	expectInForce(t, address, "workers", "4", settings.SourceConfigMap, "")
	expectInForce(t, address, "log-level", "info", settings.SourceDefault, "")
	if unknown := inForce(t, address)["max-retires"]; unknown.NotInForce != settings.ReasonUnknown || !strings.Contains(unknown.Why, "max-retries") {
		t.Errorf("of a key that is none: %+v", unknown)
	}

	// What keeps failing is not quarantined by what is in force, and is by what comes into force.
	forbidden(t, c, "reloaded-ro")
	asked(t, c, "reloaded", "instances: 1")
	eventually(t, "its failures are counted", func() bool {
		failures := exists[v1alpha1.PostgresCluster](t, c, "reloaded").Status.Failures
		return len(failures) == 1 && failures[0].Phase == "network"
	})
	configured(t, c, map[string]string{"max-retries": "3", "quarantine-after": "10s", "probe-interval": "1h", "workers": "16", "log-level": "loud"})
	expectInForce(t, address, "max-retries", "3", settings.SourceConfigMap, "")
	expectInForce(t, address, "quarantine-after", "10s", settings.SourceConfigMap, "")
	expectInForce(t, address, "probe-interval", "45m", settings.SourceFlag, settings.ReasonOverridden)
	expectInForce(t, address, "workers", "4", settings.SourceConfigMap, settings.ReasonNeedsRestart)
	expectInForce(t, address, "log-level", "info", settings.SourceDefault, settings.ReasonInvalid)
	eventuallyWithin(t, 2*time.Minute, "it is quarantined by the new settings", func() bool {
		return len(exists[v1alpha1.PostgresCluster](t, c, "reloaded").Status.Quarantine) == 1
	})

	// All that was one process; the next one takes what needed a restart.
	if first.ended() {
		t.Fatal("the operator was restarted to take it up")
	}
	first.terminate(t)
	operatorWith(t, program, kubeconfig, nil, "--metrics-address="+address)
	expectInForce(t, address, "workers", "16", settings.SourceConfigMap, "")
	expectInForce(t, address, "probe-interval", "1h", settings.SourceConfigMap, "")

	if err := c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "timonier-system", Name: "timonier-operator"}}); err != nil {
		t.Fatal(err)
	}
	expectInForce(t, address, "max-retries", "10", settings.SourceDefault, "")
	expectInForce(t, address, "workers", "16", settings.SourceConfigMap, settings.ReasonNeedsRestart)
}
