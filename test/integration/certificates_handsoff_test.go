//go:build integration

package integration

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	platformv1alpha1 "github.com/timonier-io/timonier/api/platform/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

const day = 24 * time.Hour

// unmanaged waits until nobody but the test writes to this cluster.
func unmanaged(t *testing.T, c client.Client, name string) {
	t.Helper()
	specified(t, c, name, `{"managementState":"Unmanaged"}`)
	managed(t, c, name, metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
}

// rewritten has a Secret hold this, as if time had made it so.
func rewritten(t *testing.T, c client.Client, name string, data map[string][]byte) {
	t.Helper()
	secret := exists[corev1.Secret](t, c, name)
	secret.Data = data
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// must is for what fails by a mistake of the test alone.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// aged has an authority of the cluster be so old, with all that it signed, and those leaves so much younger.
func aged(t *testing.T, c client.Client, cluster string, kind pki.Kind, authority, leaves time.Duration) pki.State {
	t.Helper()
	secretOf := naming.PeerCA(cluster)
	if kind == pki.KindClient {
		secretOf = naming.ClientCA(cluster)
	}
	policy := pki.DefaultPolicy(kind)
	state := must(pki.ParseAuthorityData(exists[corev1.Secret](t, c, secretOf).Data))(t)
	state.Current = must(pki.Generate(now().Add(-authority), rand.Reader, pki.Identity{Kind: kind, Namespace: "shop", Cluster: cluster}, policy.AuthorityLifetime))(t)
	mounted := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates(cluster)).Data))(t)
	monitor := must(pki.ParseMonitor(exists[corev1.Secret](t, c, naming.MonitorCertificate(cluster)).Data))(t)
	issue := func(into *pki.Leaf, request pki.LeafRequest) {
		request.DNSNames, request.IPs = into.Certificate.DNSNames, into.Certificate.IPAddresses
		*into = must(state.Current.Issue(now().Add(-leaves), rand.Reader, request))(t)
	}
	if kind == pki.KindClient {
		issue(&mounted.Server, pki.ServerRequest(cluster, nil, policy.LeafLifetime))
		mounted.ClientBundle = state.Bundle()
		for _, role := range []string{naming.DefaultRole} {
			secret := exists[corev1.Secret](t, c, naming.RoleSecret(cluster, role))
			secret.Data["ca.crt"] = state.BundlePEM()
			rewritten(t, c, secret.Name, secret.Data)
		}
	} else {
		issue(&mounted.Peer, pki.InstanceRequest(cluster, nil, policy.LeafLifetime))
		issue(&mounted.Replication, pki.ReplicationRequest(policy.LeafLifetime))
		issue(&monitor.Leaf, pki.MonitorRequest(policy.LeafLifetime))
		mounted.PeerBundle, monitor.Bundle = state.Bundle(), state.Bundle()
	}
	rewritten(t, c, secretOf, must(pki.AuthorityData(state))(t))
	rewritten(t, c, naming.Certificates(cluster), must(mounted.Data())(t))
	rewritten(t, c, naming.MonitorCertificate(cluster), must(monitor.Data())(t))
	return state
}

func expiring(cluster *v1alpha1.PostgresCluster) *metav1.Condition {
	return meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionCertificatesExpire)
}

// renewal is asked for.
func renewal(t *testing.T, c client.Client, cluster, name string) {
	t.Helper()
	ordered(t, c, name, v1alpha1.PostgresOperationSpec{ClusterRef: v1alpha1.ClusterReference{Name: cluster}, Type: v1alpha1.OperationRenewCertificates})
}

func TestCertificatesNearExpiryOfAClusterThatIsLeftAloneAreWarnedOfAndRenewedOnRequest(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "aging", "instances: 1")
	exists[corev1.Secret](t, c, naming.RoleSecret("aging", naming.DefaultRole))
	exists[corev1.Pod](t, c, "aging-1")
	unmanaged(t, c, "aging")
	aged(t, c, "aging", pki.KindClient, 80*day, 70*day)
	var warned *v1alpha1.PostgresCluster
	eventually(t, "the warning, three weeks before", func() bool {
		warned = exists[v1alpha1.PostgresCluster](t, c, "aging")
		return expiring(warned) != nil
	})
	if condition := expiring(warned); condition.Status != metav1.ConditionTrue || !strings.Contains(condition.Message, "aging-certificates/server.crt") || !strings.Contains(condition.Message, "renew-certificates aging") {
		t.Errorf("it says %+v", condition)
	}
	if left := warned.Status.Certificates.ExpiresAt.Sub(now()); left > 21*day || left < 19*day {
		t.Errorf("they expire in %s", left)
	}
	// That there is no instance does not hide it.
	if degraded := meta.FindStatusCondition(warned.Status.Conditions, v1alpha1.ConditionDegraded); degraded == nil || degraded.Reason != v1alpha1.ReasonHandsOff {
		t.Errorf("Degraded is %+v", degraded)
	}
	told(t, c, "aging", v1alpha1.ReasonCertificatesExpire)

	before := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("aging")).Data))(t)
	renewal(t, c, "aging", "aging-renewal")
	ended(t, c, "aging-renewal", "Succeeded Done")
	after := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("aging")).Data))(t)
	if after.Server.Fingerprint() == before.Server.Fingerprint() || after.Peer.Fingerprint() == before.Peer.Fingerprint() {
		t.Error("the operation has succeeded, and the certificates are the same")
	}
	eventually(t, "nothing is warned of any more", func() bool {
		found := exists[v1alpha1.PostgresCluster](t, c, "aging")
		return expiring(found) == nil && found.Status.Certificates.ExpiresAt.Sub(now()) > 80*day
	})
	// Once is enough: nobody asks any more.
	specified(t, c, "aging", `{"team":"commerce"}`)
	managed(t, c, "aging", metav1.ConditionFalse, v1alpha1.ReasonUnmanaged)
	if again := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("aging")).Data))(t); again.Server.Fingerprint() != after.Server.Fingerprint() {
		t.Error("they were issued once more")
	}
}

func TestAnAuthorityIsReplacedInAllItsStepsWhileTheClusterIsLeftAloneAndTheOperationEndsWithTheLast(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "elder", "instances: 1")
	exists[corev1.Pod](t, c, "elder-1")
	exists[corev1.Secret](t, c, naming.RoleSecret("elder", naming.DefaultRole))
	unmanaged(t, c, "elder")
	old := aged(t, c, "elder", pki.KindPeer, 500*day, 0)
	stands := answering(t, c, "elder", "elder-1", "127.0.103.1", instanceapi.Status{State: instanceapi.StateStarting})
	bundle := func() []string {
		var trusted []string
		for _, certificate := range must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("elder")).Data))(t).PeerBundle {
			trusted = append(trusted, pki.Fingerprint(certificate))
		}
		return trusted
	}
	// loads what is published, as an instance does.
	loads := func() {
		published := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("elder")).Data))(t)
		trusted := bundle()
		stands.change(func(status *instanceapi.Status) {
			status.Certificates.PeerCAs = trusted
			status.Certificates.Peer, status.Certificates.Replication = published.Peer.Fingerprint(), published.Replication.Fingerprint()
		})
	}
	stage := 0
	step := func(what string, reached func() bool) {
		t.Helper()
		stage++
		eventuallyWithin(t, time.Minute, what, func() bool {
			loads()
			return reached()
		})
		if running := exists[v1alpha1.PostgresOperation](t, c, "elder-renewal"); running.Status.FinishedAt != nil && stage < 4 {
			t.Fatalf("it has ended after step %d: %+v", stage, running.Status.Summary)
		}
	}
	if before := bundle(); !slices.Equal(before, []string{old.Current.Fingerprint()}) {
		t.Fatalf("before: %v", before)
	}
	eventually(t, "the warning", func() bool { return expiring(exists[v1alpha1.PostgresCluster](t, c, "elder")) != nil })
	renewal(t, c, "elder", "elder-renewal")
	step("both authorities are trusted", func() bool { return len(bundle()) == 2 })
	step("the status says what is going on", func() bool {
		operation := exists[v1alpha1.PostgresOperation](t, c, "elder-renewal")
		return slices.Equal(exists[v1alpha1.PostgresCluster](t, c, "elder").Status.Certificates.Rotating, []string{string(pki.KindPeer)}) &&
			strings.Contains(operation.Status.Summary.Message, "Authorities are being replaced")
	})
	pass(pki.DefaultPolicy(pki.KindPeer).Overlap + time.Minute)
	lookedAgain(t, c, "elder")
	step("the new one signs", func() bool {
		published := must(pki.ParseMounted(exists[corev1.Secret](t, c, naming.Certificates("elder")).Data))(t)
		return published.Peer.Certificate.CheckSignatureFrom(old.Current.Certificate) != nil
	})
	eventuallyWithin(t, 3*time.Minute, "the old one is trusted no more", func() bool {
		loads()
		pass(time.Minute)
		return len(bundle()) == 1
	})
	if slices.Contains(bundle(), old.Current.Fingerprint()) {
		t.Error("the old one is still trusted")
	}
	ended(t, c, "elder-renewal", "Succeeded Done")
	if found := exists[v1alpha1.PostgresCluster](t, c, "elder"); len(found.Status.Certificates.Rotating) > 0 || expiring(found) != nil {
		t.Errorf("at the end: %+v, %+v", found.Status.Certificates, expiring(found))
	}
}

func TestClientsTrustANewAuthorityWhileTheClusterIsLeftAlone(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "trusting", "instances: 1")
	role := naming.RoleSecret("trusting", naming.DefaultRole)
	exists[corev1.Secret](t, c, role)
	unmanaged(t, c, "trusting")
	aged(t, c, "trusting", pki.KindClient, 500*day, 0)
	before := exists[corev1.Secret](t, c, role)
	renewal(t, c, "trusting", "trusting-renewal")
	var after *corev1.Secret
	eventually(t, "the role's Secret has both authorities", func() bool {
		after = exists[corev1.Secret](t, c, role)
		return len(must(pki.ParseCertificates(after.Data["ca.crt"]))(t)) == 2
	})
	if string(after.Data["password"]) != string(before.Data["password"]) || len(after.Data) != len(before.Data) {
		t.Error("something else of the Secret was changed")
	}
	if operation := exists[v1alpha1.PostgresOperation](t, c, "trusting-renewal"); operation.Status.FinishedAt != nil {
		t.Errorf("its clients have a week to read that, and the operation has ended: %+v", operation.Status.Summary)
	}

	// Handed back, it need not stay: what is left goes on by itself.
	specified(t, c, "trusting", `{"managementState":"Managed"}`)
	if done := ended(t, c, "trusting-renewal", "Succeeded Done"); !strings.Contains(done.Status.Summary.Message, "goes on by itself") {
		t.Errorf("it says %s", done.Status.Summary.Message)
	}
}

func TestARenewalOfWhatAnOverrideLeavesAloneFailsAndSaysWhatToDo(t *testing.T) {
	c := operatorRuns(t)
	asked(t, c, "outside", "instances: 1")
	exists[corev1.Secret](t, c, naming.RoleSecret("outside", naming.DefaultRole))
	exists[corev1.Pod](t, c, "outside-1")
	secret := naming.Certificates("outside")
	platformSays(t, c, platformv1alpha1.PlatformSpec{Overrides: []contract.Override{{Kind: "Secret", Namespace: "shop", Name: secret, Unmanaged: true}}})
	eventually(t, "the status names what is left alone", func() bool {
		return slices.Contains(exists[v1alpha1.PostgresCluster](t, c, "outside").Status.Management.LeftAlone, "Secret/"+secret)
	})
	before, monitor := exists[corev1.Secret](t, c, secret), exists[corev1.Secret](t, c, naming.MonitorCertificate("outside"))
	renewal(t, c, "outside", "outside-renewal")
	failed := ended(t, c, "outside-renewal", "Failed HandsOff")
	if !strings.Contains(failed.Status.Summary.Message, secret) || !strings.Contains(failed.Status.Summary.Message, "Remove these overrides") {
		t.Errorf("it says %s", failed.Status.Summary.Message)
	}
	if exists[corev1.Secret](t, c, secret).ResourceVersion != before.ResourceVersion {
		t.Error("the Secret that is to be left alone was written")
	}
	if exists[corev1.Secret](t, c, monitor.Name).ResourceVersion == monitor.ResourceVersion {
		t.Error("the other one was not")
	}

	platformSays(t, c, platformv1alpha1.PlatformSpec{})
	eventually(t, "nothing is left alone", func() bool {
		return len(exists[v1alpha1.PostgresCluster](t, c, "outside").Status.Management.LeftAlone) == 0
	})
	renewal(t, c, "outside", "outside-again")
	ended(t, c, "outside-again", "Succeeded Done")
	if exists[corev1.Secret](t, c, secret).ResourceVersion == before.ResourceVersion {
		t.Error("nothing is left alone any more, and the Secret was not written")
	}
}
