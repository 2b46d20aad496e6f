package postgrescluster

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
)

const day = 24 * time.Hour

// born is when the authorities of these tests were made.
var born = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// certified is a scope, so many days later, of a cluster whose certificates were issued at the beginning.
func certified(t *testing.T, r *Reconciler, after time.Duration) *scope {
	t.Helper()
	var found inUse
	for kind, into := range map[pki.Kind]*pki.State{pki.KindPeer: &found.peer, pki.KindClient: &found.client} {
		made, err := pki.Generate(born, rand.Reader, pki.Identity{Kind: kind, Namespace: "sales", Cluster: "shop"}, r.PeerPolicy.AuthorityLifetime)
		if err != nil {
			t.Fatal(err)
		}
		into.Current = made
	}
	for _, leaf := range []struct {
		into     *pki.Leaf
		signer   pki.State
		lifetime time.Duration
	}{{&found.mounted.Peer, found.peer, 90 * day}, {&found.mounted.Replication, found.peer, 90 * day}, {&found.monitor.Leaf, found.peer, 90 * day}, {&found.mounted.Server, found.client, 60 * day}} {
		issued, err := leaf.signer.Current.Issue(born, rand.Reader, pki.InstanceRequest("shop", nil, leaf.lifetime))
		if err != nil {
			t.Fatal(err)
		}
		*leaf.into = issued
	}
	s := newScope(&v1alpha1.PostgresCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "shop"}}, born.Add(after))
	s.steering = steering{state: contract.Unmanaged, by: "spec.managementState"}
	s.certificates.measure(r, "shop", found)
	return s
}

func expiring(s *scope) *metav1.Condition {
	status := s.status(s.cluster.Status, reconcile.Verdict{}, "v1")
	return meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionCertificatesExpire)
}

func policies() *Reconciler {
	return &Reconciler{PeerPolicy: pki.DefaultPolicy(pki.KindPeer), ClientPolicy: pki.DefaultPolicy(pki.KindClient)}
}

func TestCertificatesOfAClusterThatIsLeftAloneAreWarnedOfWellBeforeTheyExpire(t *testing.T) {
	if early := expiring(certified(t, policies(), 39*day)); early != nil {
		t.Errorf("none is due yet: %+v", early)
	}
	s := certified(t, policies(), 41*day)
	condition := expiring(s)
	if condition == nil || condition.Status != metav1.ConditionTrue {
		t.Fatalf("one is due, and it is %+v", condition)
	}
	for _, named := range []string{"/server.crt", "by spec.managementState", "kubectl timonier renew-certificates shop -n sales"} {
		if !strings.Contains(condition.Message, named) {
			t.Errorf("it does not name %q: %s", named, condition.Message)
		}
	}
	if told := s.status(s.cluster.Status, reconcile.Verdict{}, "v1").Certificates; !told.ExpiresAt.Time.Equal(born.Add(60*day)) || !strings.HasSuffix(told.First, "/server.crt") {
		t.Errorf("the status says %+v", told)
	}
}

func TestCertificatesThatHaveGoneWithARemovedClusterAreNotSaidToExpire(t *testing.T) {
	s := certified(t, policies(), day)
	s.steering.state = contract.Removed
	there := s.status(v1alpha1.PostgresClusterStatus{}, reconcile.Verdict{}, "v1")
	if there.Certificates.ExpiresAt == nil {
		t.Fatal("they are there still, and the status does not say until when")
	}
	there.Certificates.RenewedBy = "u-1"
	s.certificates = certificates{}
	if told := s.status(there, reconcile.Verdict{}, "v1").Certificates; !equality.Semantic.DeepEqual(told, v1alpha1.CertificatesStatus{RenewedBy: "u-1"}) {
		t.Errorf("they have gone, and the status says %+v", told)
	}
}

func TestThatInstancesAreMissingDoesNotHideThatCertificatesExpire(t *testing.T) {
	status := certified(t, policies(), 50*day).status(v1alpha1.PostgresClusterStatus{}, reconcile.Verdict{}, "v1")
	for kind, reason := range map[string]string{v1alpha1.ConditionDegraded: v1alpha1.ReasonHandsOff, v1alpha1.ConditionCertificatesExpire: v1alpha1.ReasonCertificatesExpire} {
		if is := meta.FindStatusCondition(status.Conditions, kind); is == nil || is.Status != metav1.ConditionTrue || is.Reason != reason {
			t.Errorf("%s is %+v", kind, is)
		}
	}
}

func TestAnAuthorityThatIsDueIsWarnedOfToo(t *testing.T) {
	r := policies()
	r.PeerPolicy.AuthorityLifetime = 50 * day // all that it signs ends with it
	s := certified(t, r, 36*day)
	if condition := expiring(s); condition == nil || !s.certificates.expires.Equal(born.Add(50*day)) {
		t.Errorf("an authority of 50 days is due after two thirds of them: %+v, %s", condition, s.certificates.expires)
	}
}

func TestWhereTimonierRenewsCertificatesNothingIsWarnedOf(t *testing.T) {
	s := certified(t, policies(), 41*day)
	s.steering.state = contract.Managed
	if condition := expiring(s); condition != nil {
		t.Errorf("it is managed: %+v", condition)
	}
	s.certificates.leaveAlone("shop-certificates")
	if condition := expiring(s); condition == nil || !strings.Contains(condition.Message, "leave these Secrets alone: shop-certificates") {
		t.Errorf("the Secret is left alone by an override: %+v", condition)
	}
}

func TestWhatWasLeftAloneIsToldUntilTheOperationHasSeenIt(t *testing.T) {
	s := certified(t, policies(), 0)
	s.renewal = &v1alpha1.PostgresOperation{ObjectMeta: metav1.ObjectMeta{UID: "o"}}
	s.certificates.leaveAlone("shop-certificates")
	s.renewed = s.reissues()
	answered := s.status(v1alpha1.PostgresClusterStatus{}, reconcile.Verdict{}, "v1")
	if told := answered.Certificates; told.RenewedBy != "o" || len(told.LeftAlone) != 1 {
		t.Fatalf("answered: %+v", told)
	}
	next := certified(t, policies(), 0)
	next.cluster.Status, next.renewal, next.certificates.planned = answered, s.renewal, true
	if told := next.status(answered, reconcile.Verdict{}, "v1").Certificates; len(told.LeftAlone) != 1 {
		t.Errorf("in the next round, while the operation has not ended: %+v", told)
	}
	next.renewal = nil
	if told := next.status(answered, reconcile.Verdict{}, "v1").Certificates; len(told.LeftAlone) != 0 {
		t.Errorf("once it has ended: %+v", told)
	}
}
