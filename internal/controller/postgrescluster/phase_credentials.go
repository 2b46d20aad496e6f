package postgrescluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// Keys of a role's Secret.
const (
	keyUsername    = "username"
	keyPassword    = "password"
	keyHost        = "host"
	keyPort        = "port"
	keyDatabase    = "dbname"
	keyURI         = "uri"
	keyJDBC        = "jdbc-uri"
	keyExternalURI = "uri-external"
	keyCA          = "ca.crt"
	// keyVerifier is what PostgreSQL stores in place of the password. It is kept, since the same password gives
	// another one each time.
	keyVerifier = "scram-verifier"
)

// givenSecretsEvery is how often a user's own Secret is read again: it is not watched, since watching all Secrets
// costs memory for each that is not ours.
const givenSecretsEvery = 30 * time.Second

// ensureCredentials gives each role that may log in its connection Secret.
func (r *Reconciler) ensureCredentials(ctx context.Context, s *scope) error {
	roles, databases := wantedAccess(s.cluster.Spec)
	if conflict := naming.RoleSecretConflict(s.cluster.Name, rolesWithSecret(roles)); conflict != "" {
		return reconcile.Stalled(v1alpha1.ReasonInvalidSpec, "spec.roles: %s", conflict)
	}
	var failures error
	for _, role := range roles {
		if role.Ensure == v1alpha1.EnsureAbsent {
			failures = errors.Join(failures, r.removeCredentials(ctx, s, role))
			continue
		}
		if role.Login != nil && !*role.Login {
			continue
		}
		failures = errors.Join(failures, r.ensureRoleSecret(ctx, s, role, databaseOf(role.Name, databases)))
	}
	return failures
}

func (r *Reconciler) ensureRoleSecret(ctx context.Context, s *scope, role v1alpha1.Role, database string) error {
	name := naming.RoleSecret(s.cluster.Name, role.Name)
	if err := r.lookUpSecrets(ctx, s, name); err != nil {
		return err
	}
	var existing map[string][]byte
	if secret := s.observed.secrets[name]; secret != nil {
		existing = secret.Data
	} else if by := s.secretLeftAlone(name); by != "" {
		return secretHeld(name, by, "is missing, so that role "+role.Name+" keeps the password it has")
	}
	password, err := r.password(ctx, s, role, existing)
	if err != nil {
		return err
	}
	verifier, err := r.verifier(s, role.Name, string(existing[keyVerifier]), password)
	if err != nil {
		return reconcile.Stalled(v1alpha1.ReasonInvalidSpec, "the password of role %s cannot be used: %v; choose another one", role.Name, err)
	}
	ca, err := authorityState(s, naming.ClientCA(s.cluster.Name))
	if err != nil {
		return fmt.Errorf("client authority: %w", err)
	}
	data := connectionData(s, role.Name, password, database)
	data[keyVerifier], data[keyCA] = []byte(verifier), ca.BundlePEM()
	secret := desired.Secret(s.desired, name, desired.ComponentCredentials, data)
	err = r.strictApplier().Apply(ctx, s.owner, secret)
	if left := new(reconcile.LeftAloneError); errors.As(err, &left) {
		return secretHeld(name, left.By, "differs from what it is to hold for role "+role.Name+", which keeps the password it has")
	}
	if err != nil {
		return err
	}
	s.verifiers[role.Name] = verifier
	return nil
}

// verifier of a role's password: the present one where it fits. To find that out costs as much as a login, and is remembered.
func (r *Reconciler) verifier(s *scope, role, present, password string) (string, error) {
	matter, digest := reconcile.Matter{Kind: keyVerifier, Name: role}, reconcile.DigestOf([]byte(present), []byte(password))
	if r.memory.Right(s.cluster.UID, matter, digest) {
		return present, nil
	}
	if postgres.SCRAMMatches(present, password) {
		r.memory.Found(s.cluster.UID, matter, digest)
		return present, nil
	}
	return postgres.SCRAMVerifier(password, rand.Reader)
}

// password of a role: the user's own, else the one that its Secret has, else a new one.
func (r *Reconciler) password(ctx context.Context, s *scope, role v1alpha1.Role, existing map[string][]byte) (string, error) {
	if role.PasswordSecretRef == nil {
		if password := string(existing[keyPassword]); password != "" {
			return password, nil
		}
		return rand.Text(), nil
	}
	s.due(s.now.Add(givenSecretsEvery))
	given := &corev1.Secret{}
	err := r.Live.Get(ctx, s.key(role.PasswordSecretRef.Name), given)
	if apierrors.IsNotFound(err) {
		return "", reconcile.Stalled(v1alpha1.ReasonSecretMissing,
			"spec.roles[%s].passwordSecretRef: there is no Secret %s in namespace %s; create it with a key `password`. The role keeps the password it has",
			role.Name, role.PasswordSecretRef.Name, s.cluster.Namespace)
	}
	if err != nil {
		return "", fmt.Errorf("secret %s for role %s: %w", role.PasswordSecretRef.Name, role.Name, err)
	}
	password := string(given.Data[keyPassword])
	if password == "" {
		return "", reconcile.Stalled(v1alpha1.ReasonSecretMissing,
			"spec.roles[%s].passwordSecretRef: Secret %s has no key `password`, or an empty one; add it. The role keeps the password it has",
			role.Name, given.Name)
	}
	return password, nil
}

// connectionData is all that an application needs to connect, verifying the server.
func connectionData(s *scope, role, password, database string) map[string][]byte {
	service := naming.PrimaryService(s.cluster.Name)
	endpoint := postgres.Endpoint{
		User: role, Password: password, Database: database,
		Host: naming.ServiceHost(service, s.cluster.Namespace), Port: naming.PortPostgres,
		Parameters: []postgres.ConnParameter{{Key: "sslmode", Value: "verify-full"}},
	}
	data := map[string][]byte{
		keyUsername: []byte(role), keyPassword: []byte(password),
		keyHost: []byte(endpoint.Host), keyPort: []byte(strconv.Itoa(endpoint.Port)), keyDatabase: []byte(database),
		keyURI: []byte(endpoint.URI()), keyJDBC: []byte(endpoint.JDBCURL()),
	}
	if outside := s.externalHost(); outside != "" {
		endpoint.Host = outside
		data[keyExternalURI] = []byte(endpoint.URI())
	}
	return data
}

// externalHost at which the primary is reached from outside; a host name rather than an address.
func (s *scope) externalHost() string {
	for _, host := range s.cluster.Spec.Services.Primary.Hostnames {
		if host[0] != '*' {
			return host
		}
	}
	if addresses := s.loadBalancerAddresses(naming.PrimaryService(s.cluster.Name)); len(addresses) > 0 {
		return addresses[0]
	}
	return ""
}

// removeCredentials of a role that is to be absent.
func (r *Reconciler) removeCredentials(ctx context.Context, s *scope, role v1alpha1.Role) error {
	secret := s.observed.secrets[naming.RoleSecret(s.cluster.Name, role.Name)]
	if secret == nil || secret.Labels[naming.LabelComponent] != desired.ComponentCredentials {
		return nil
	}
	if err := reconcile.IgnoreLeftAlone(client.IgnoreNotFound(r.Client.Delete(ctx, secret))); err != nil {
		return fmt.Errorf("removing Secret %s of role %s: %w", secret.Name, role.Name, err)
	}
	r.memory.Drop(s.cluster.UID, reconcile.Matter{Kind: kindSecret, Name: secret.Name}, reconcile.Matter{Kind: keyVerifier, Name: role.Name})
	return nil
}

func rolesWithSecret(roles []v1alpha1.Role) []string {
	var names []string
	for _, role := range roles {
		if role.Ensure != v1alpha1.EnsureAbsent && (role.Login == nil || *role.Login) {
			names = append(names, role.Name)
		}
	}
	return names
}

// databaseOf a role is the first one that it owns, else the first one, else PostgreSQL's own.
func databaseOf(role string, databases []v1alpha1.Database) string {
	first := "postgres"
	for i := len(databases) - 1; i >= 0; i-- {
		if databases[i].Ensure != v1alpha1.EnsureAbsent {
			first = databases[i].Name
		}
	}
	for _, database := range databases {
		if database.Owner == role && database.Ensure != v1alpha1.EnsureAbsent {
			return database.Name
		}
	}
	return first
}
