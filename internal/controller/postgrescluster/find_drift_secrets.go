package postgrescluster

import (
	"context"
	"fmt"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// secretDrift compares Secrets in their labels and in which of their keys would be written anew. What they hold is never shown.
func (r *Reconciler) secretDrift(ctx context.Context, s *scope, asked func(kind, name string) bool) ([]contract.Drift, error) {
	wanted := s.wantedSecrets()
	if err := r.lookUpSecrets(ctx, s, wanted...); err != nil {
		return nil, err
	}
	roles, databases := wantedAccess(s.cluster.Spec)
	byRole := map[string]v1alpha1.Role{}
	for _, role := range roles {
		byRole[naming.RoleSecret(s.cluster.Name, role.Name)] = role
	}
	var drift []contract.Drift
	for _, name := range wanted {
		if !asked(kindSecret, name) {
			continue
		}
		role, isRole := byRole[name]
		var found []contract.Drift
		var err error
		switch {
		case s.observed.secrets[name] == nil:
			found = []contract.Drift{reconcile.Missing(kindSecret, name)}
		case isRole:
			found, err = r.roleSecretDrift(ctx, s, role, databaseOf(role.Name, databases))
		default:
			found, err = r.certificateDrift(ctx, s, name)
		}
		if err != nil {
			return nil, err
		}
		drift = append(drift, found...)
	}
	return drift, nil
}

// certificateDrift of a Secret of certificates or of an authority. Whether its content can be read is compared, for what cannot is made anew; an authority's labels are
// not kept.
func (r *Reconciler) certificateDrift(ctx context.Context, s *scope, name string) ([]contract.Drift, error) {
	data := s.observed.secrets[name].Data
	var damaged error
	authority := false
	switch name {
	case naming.Certificates(s.cluster.Name):
		_, damaged = pki.ParseMounted(data)
	case naming.MonitorCertificate(s.cluster.Name):
		_, damaged = pki.ParseMonitor(data)
	default:
		authority = true
		_, damaged = pki.ParseAuthorityData(data)
	}
	var drift []contract.Drift
	if damaged != nil {
		drift = append(drift, contract.Drift{Kind: kindSecret, Name: name, Field: "data", Found: "changed, and damaged", Wanted: "not shown"})
	}
	if authority {
		return drift, nil
	}
	labels, err := r.applier().Drift(ctx, s.owner, desired.Secret(s.desired, name, desired.ComponentCertificates, data))
	return append(drift, labels...), err
}

// roleSecretDrift compares what an application reads with what would be written for the password that there is.
func (r *Reconciler) roleSecretDrift(ctx context.Context, s *scope, role v1alpha1.Role, database string) ([]contract.Drift, error) {
	name := naming.RoleSecret(s.cluster.Name, role.Name)
	existing := s.observed.secrets[name].Data
	password, err := r.password(ctx, s, role, existing)
	if err != nil {
		return reconcile.Refused(kindSecret, name, err)
	}
	ca, err := authorityState(s, naming.ClientCA(s.cluster.Name))
	if err != nil {
		return reconcile.Refused(kindSecret, name, fmt.Errorf("client authority: %w", err))
	}
	data := connectionData(s, role.Name, password, database)
	data[keyCA], data[keyVerifier] = ca.BundlePEM(), existing[keyVerifier]
	if !postgres.SCRAMMatches(string(existing[keyVerifier]), password) {
		data[keyVerifier] = []byte("another one is made")
	}
	return r.applier().Drift(ctx, s.owner, desired.Secret(s.desired, name, desired.ComponentCredentials, data))
}
