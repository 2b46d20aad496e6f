package postgrescluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/reconcile"
	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// +kubebuilder:rbac:groups="",resources=secrets,verbs=create;update;patch;delete

// ensureCertificates makes, renews and rotates both authorities and what they sign. An authority is stored before
// anything it signed is published, under the resourceVersion that it was read with.
func (r *Reconciler) ensureCertificates(ctx context.Context, s *scope) error {
	if err := r.lookUpSecrets(ctx, s, naming.PeerCA(s.cluster.Name), naming.ClientCA(s.cluster.Name),
		naming.Certificates(s.cluster.Name), naming.MonitorCertificate(s.cluster.Name)); err != nil {
		return err
	}
	published := parseOrEmpty(s, naming.Certificates(s.cluster.Name), pki.ParseMounted)
	monitor := parseOrEmpty(s, naming.MonitorCertificate(s.cluster.Name), pki.ParseMonitor)

	peer, err := r.planAuthority(ctx, s, authority{pki.KindPeer, naming.PeerCA(s.cluster.Name), r.PeerPolicy, pki.Observed{
		Bundle:     intersection(published.PeerBundle, monitor.Bundle),
		Leaves:     certificatesOf(published.Peer, published.Replication, monitor.Leaf),
		Incomplete: !published.Peer.Exists() || !published.Replication.Exists() || !monitor.Leaf.Exists(),
		Instances:  s.loaded(pki.KindPeer),
	}})
	if err != nil {
		return err
	}
	client, err := r.planAuthority(ctx, s, authority{pki.KindClient, naming.ClientCA(s.cluster.Name), r.ClientPolicy, pki.Observed{
		Bundle:     s.clientBundle(published.ClientBundle),
		Leaves:     certificatesOf(published.Server),
		Incomplete: !published.Server.Exists(),
		Instances:  s.loaded(pki.KindClient),
	}})
	if err != nil {
		return err
	}
	notes, err := r.issueLeaves(s, peer, client, &published, &monitor)
	if err != nil {
		return err
	}
	if err := r.publishCertificates(ctx, s, published, monitor); err != nil {
		return err
	}
	for _, text := range notes {
		s.note(text, v1alpha1.ReasonCertificates)
	}
	s.clientsLeftAlone(client)
	s.certificates.planned, s.certificates.rotating = true, rotating(peer, client)
	s.certificates.measure(r, s.cluster.Name, inUse{peer, client, published, monitor})
	s.renewed = s.reissues() && peer.Current.CanSign() && client.Current.CanSign()
	return nil
}

// reissues tells that a person asks for all certificates to be issued anew, and that they have not been yet.
func (s *scope) reissues() bool {
	return s.renewal != nil && s.cluster.Status.Certificates.RenewedBy != string(s.renewal.UID)
}

// rotating are the authorities that are being replaced.
func rotating(peer, client pki.State) []string {
	var names []string
	for kind, state := range map[pki.Kind]pki.State{pki.KindClient: client, pki.KindPeer: peer} {
		if state.Next.Exists() || state.Previous.Exists() {
			names = append(names, string(kind))
		}
	}
	slices.Sort(names)
	return names
}

// secretLeftAlone tells by what a Secret is left alone, "" for not.
func (s *scope) secretLeftAlone(name string) string {
	return management.LeftAlone(management.Resource{Kind: "Secret", Namespace: s.cluster.Namespace, Name: name}, s.observed.platform.Overrides)
}

// secretHeld says that a Secret which is left alone lacks what instances or clients need.
func secretHeld(name, by, lacks string) error {
	return reconcile.Stalled(v1alpha1.ReasonHandsOff,
		"Secret %s is left alone, by %s, and %s: nothing is made in its place. Restore it from a copy, or remove the override to have it made", name, by, lacks)
}

// clientsLeftAlone notes the roles' Secrets that are left alone and lack an authority that clients are to trust.
func (s *scope) clientsLeftAlone(authority pki.State) {
	for _, secret := range s.roleSecrets() {
		if s.secretLeftAlone(secret.Name) != "" && !bytes.Equal(secret.Data[keyCA], authority.BundlePEM()) {
			s.certificates.leaveAlone(secret.Name)
		}
	}
}

// roleSecrets are those by which clients connect, by their names.
func (s *scope) roleSecrets() []*corev1.Secret {
	var secrets []*corev1.Secret
	for _, name := range sortedKeys(s.observed.secrets) {
		if secret := s.observed.secrets[name]; secret.Labels[naming.LabelComponent] == desired.ComponentCredentials {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// authority is one of the two, and what Plan needs to know of it.
type authority struct {
	kind   pki.Kind
	secret string
	policy pki.Policy
	seen   pki.Observed
}

// planAuthority and store it. Where its Secret is left alone, what is in it goes on being used, and nothing takes the place of what is missing: clients would
// trust another authority each time.
func (r *Reconciler) planAuthority(ctx context.Context, s *scope, a authority) (pki.State, error) {
	// What is damaged is left out of the state, and Plan repairs it.
	state, damaged := authorityState(s, a.secret)
	by := s.secretLeftAlone(a.secret)
	if by != "" && !state.Current.Exists() {
		s.certificates.leaveAlone(a.secret)
		return pki.State{}, secretHeld(a.secret, by, "holds no authority")
	}
	if damaged != nil && by == "" {
		s.note(fmt.Sprintf("Secret %s is damaged and is repaired: %v", a.secret, damaged), v1alpha1.ReasonCertificates)
	}
	id := pki.Identity{Kind: a.kind, Namespace: s.cluster.Namespace, Cluster: s.cluster.Name}
	decision, err := pki.Plan(s.now, rand.Reader, a.policy, id, state, a.seen)
	if err != nil {
		return pki.State{}, fmt.Errorf("planning the %s authority: %w", a.kind, err)
	}
	if decision.Changed && by != "" {
		s.certificates.leaveAlone(a.secret)
		return state, nil // what it cannot be changed to signs nothing
	}
	s.due(decision.NextCheck)
	if decision.Changed {
		data, err := pki.AuthorityData(decision.State)
		if err != nil {
			return pki.State{}, fmt.Errorf("writing the %s authority: %w", a.kind, err)
		}
		if err := r.storeSecret(ctx, s, a.secret, data); err != nil {
			return pki.State{}, err
		}
	}
	for _, text := range decision.Notes {
		s.note(text, v1alpha1.ReasonCertificates)
	}
	return decision.State, nil
}

// issueLeaves renews what is due, and puts the authorities' present bundles beside it. Those of a Secret that is left alone stay as they
// are. The notes are to be told once it is published.
func (r *Reconciler) issueLeaves(s *scope, peer, client pki.State, published *pki.Mounted, monitor *pki.Monitor) (notes []string, err error) {
	hosts, instanceHosts, mounted := s.serverHosts(), s.instanceHosts(), naming.Certificates(s.cluster.Name)
	for _, leaf := range []struct {
		into    *pki.Leaf
		secret  string
		policy  pki.Policy
		signer  pki.Authority
		request pki.LeafRequest
	}{
		{&published.Peer, mounted, r.PeerPolicy, peer.Current, pki.InstanceRequest(s.cluster.Name, instanceHosts, r.PeerPolicy.LeafLifetime)},
		{&published.Replication, mounted, r.PeerPolicy, peer.Current, pki.ReplicationRequest(r.PeerPolicy.LeafLifetime)},
		{&monitor.Leaf, naming.MonitorCertificate(s.cluster.Name), r.PeerPolicy, peer.Current, pki.MonitorRequest(r.PeerPolicy.LeafLifetime)},
		{&published.Server, mounted, r.ClientPolicy, client.Current, pki.ServerRequest(s.cluster.Name, hosts, r.ClientPolicy.LeafLifetime)},
	} {
		present := *leaf.into
		if s.reissues() && leaf.signer.CanSign() {
			present = pki.Leaf{} // a person asks for a new one, whatever the present one is worth
		}
		renewal, err := pki.Renew(s.now, rand.Reader, leaf.policy, leaf.signer, present, leaf.request)
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", leaf.request.CommonName, err)
		}
		if renewal.Reason != "" && s.secretLeftAlone(leaf.secret) != "" {
			s.certificates.leaveAlone(leaf.secret)
			continue
		}
		if renewal.Reason != "" && leaf.into.Exists() {
			notes = append(notes, fmt.Sprintf("certificate %s is issued anew: %s", leaf.request.CommonName, renewal.Reason))
		}
		*leaf.into = renewal.Leaf
		s.due(renewal.Due)
	}
	published.PeerBundle, published.ClientBundle, monitor.Bundle = peer.Bundle(), client.Bundle(), peer.Bundle()
	return notes, nil
}

func (r *Reconciler) publishCertificates(ctx context.Context, s *scope, mounted pki.Mounted, monitor pki.Monitor) error {
	var held error
	for _, secret := range []struct {
		name string
		data func() (map[string][]byte, error)
	}{
		{naming.Certificates(s.cluster.Name), mounted.Data},
		{naming.MonitorCertificate(s.cluster.Name), monitor.Data},
	} {
		data, err := secret.data()
		if by := s.secretLeftAlone(secret.name); by != "" {
			present := s.observed.secrets[secret.name]
			if present == nil || !reflect.DeepEqual(present.Data, data) {
				s.certificates.leaveAlone(secret.name)
			}
			if present == nil {
				held = errors.Join(held, secretHeld(secret.name, by, "is missing"))
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("writing certificates for Secret %s: %w", secret.name, err)
		}
		if err := r.applier().Apply(ctx, s.owner, desired.Secret(s.desired, secret.name, desired.ComponentCertificates, data)); err != nil {
			return err
		}
	}
	return held
}

// storeSecret replaces the data of a Secret under the resourceVersion that it was read with, or creates it.
func (r *Reconciler) storeSecret(ctx context.Context, s *scope, name string, data map[string][]byte) error {
	existing := s.observed.secrets[name]
	if existing == nil {
		if err := r.strictApplier().Create(ctx, s.owner, desired.Secret(s.desired, name, desired.ComponentCertificates, data)); err != nil {
			return err
		}
		return r.lookUpSecrets(ctx, s, name)
	}
	changed := existing.DeepCopy()
	changed.Data = data
	if err := r.Client.Update(ctx, changed); err != nil {
		if apierrors.IsConflict(err) {
			return fmt.Errorf("secret %s has changed meanwhile: trying again: %w", name, err)
		}
		return fmt.Errorf("storing Secret %s: %w", name, err)
	}
	s.observed.secrets[name] = changed
	return nil
}

// authorityState as its Secret holds it. With an error it is what was sound.
func authorityState(s *scope, secret string) (pki.State, error) {
	return contentOf(s, secret, pki.ParseAuthorityData)
}

// parseOrEmpty reads a Secret of ours; what is damaged is left out, and made anew.
func parseOrEmpty[T any](s *scope, name string, parse func(map[string][]byte) (T, error)) T {
	content, err := contentOf(s, name, parse)
	if err != nil {
		s.note(fmt.Sprintf("Secret %s is damaged and is repaired: %v", name, err), v1alpha1.ReasonCertificates)
	}
	return content
}

// contentOf a Secret of ours, empty where there is none. Several ask for it in a round: to parse certificates and keys is dear, and is done once.
func contentOf[T any](s *scope, name string, parse func(map[string][]byte) (T, error)) (T, error) {
	stored := s.observed.secrets[name]
	if stored == nil {
		var none T
		return none, nil
	}
	if known, ok := s.parsed[stored].(parsed[T]); ok {
		return known.content, known.err
	}
	content, err := parse(stored.Data)
	s.parsed[stored] = parsed[T]{content, err}
	return content, err
}

// parsed is what was read from a Secret, and what of it is damaged.
type parsed[T any] struct {
	content T
	err     error
}

// loaded is what instances with a running pod say that they use.
func (s *scope) loaded(kind pki.Kind) []pki.Loaded {
	var all []pki.Loaded
	for name := range s.observed.pods {
		instance := s.observed.instances[name]
		if !instance.Answers() {
			all = append(all, pki.Loaded{})
			continue
		}
		report := instance.Status.Certificates
		if kind == pki.KindClient {
			all = append(all, pki.Loaded{Trusts: report.ClientCAs, Leaves: compact(report.Server)})
		} else {
			all = append(all, pki.Loaded{Trusts: report.PeerCAs, Leaves: compact(report.Peer, report.Replication)})
		}
	}
	return all
}

func compact(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// clientBundle is what all published bundles of the client authority have in common: the instances', and the ca.crt
// in every role's Secret.
func (s *scope) clientBundle(mounted []*x509.Certificate) []*x509.Certificate {
	common := mounted
	for _, secret := range s.roleSecrets() {
		given, err := pki.ParseCertificates(secret.Data[keyCA])
		if err != nil {
			// It is written anew by ensureCredentials; until then it is not published everywhere.
			return nil
		}
		common = intersection(common, given)
	}
	return common
}

func intersection(a, b []*x509.Certificate) []*x509.Certificate {
	var common []*x509.Certificate
	for _, certificate := range a {
		if slices.ContainsFunc(b, certificate.Equal) {
			common = append(common, certificate)
		}
	}
	return common
}

func certificatesOf(leaves ...pki.Leaf) []*x509.Certificate {
	var certificates []*x509.Certificate
	for _, leaf := range leaves {
		if leaf.Exists() {
			certificates = append(certificates, leaf.Certificate)
		}
	}
	return certificates
}
