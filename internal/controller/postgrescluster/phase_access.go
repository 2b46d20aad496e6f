package postgrescluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

const (
	// grantWithin bounds making all roles and databases; extensions can take a while.
	grantWithin = 60 * time.Second
	// grantEvery is how often they are looked at although nothing was asked anew: somebody may have changed them in PostgreSQL.
	grantEvery = 5 * time.Minute
)

// wantedAccess are the roles and databases asked for; `app` and its database where both lists are absent.
func wantedAccess(spec v1alpha1.PostgresClusterSpec) ([]v1alpha1.Role, []v1alpha1.Database) {
	if spec.Roles == nil && spec.Databases == nil {
		return []v1alpha1.Role{{Name: naming.DefaultRole}},
			[]v1alpha1.Database{{Name: naming.DefaultRole, Owner: naming.DefaultRole}}
	}
	return spec.Roles, spec.Databases
}

// grantAccess has the leader make roles and databases as asked. Passwords go as SCRAM verifiers.
func (r *Reconciler) grantAccess(ctx context.Context, s *scope) error {
	leader := s.leader()
	if leader == "" || s.instancesWanted() == 0 {
		return nil
	}
	if roles, _ := wantedAccess(s.cluster.Spec); naming.RoleSecretConflict(s.cluster.Name, rolesWithSecret(roles)) != "" {
		// Which roles are meant is unclear; ensureCredentials has said so.
		return nil
	}
	access := s.wantedGrants()
	key := types.NamespacedName{Namespace: s.cluster.Namespace, Name: s.cluster.Name}
	found := s.observed.instances[leader]
	basis := digest(access, leader, found.Status.Postgres.StartedAt)
	report, known := r.granted.lookup(key, basis, s.now)
	if !known {
		var err error
		ctx, cancel := context.WithTimeout(ctx, grantWithin)
		defer cancel()
		if report, err = found.Client.Grant(ctx, access); err != nil {
			return fmt.Errorf("roles and databases on %s: %w", leader, unlessBusy(err))
		}
		r.granted.remember(key, grant{basis, s.now, report})
	}
	s.due(s.now.Add(grantEvery))
	s.access = &report
	return accessProblem(report)
}

func (s *scope) wantedGrants() instanceapi.Access {
	var access instanceapi.Access
	roles, databases := wantedAccess(s.cluster.Spec)
	for _, role := range roles {
		limit := int32(-1)
		if role.ConnectionLimit != nil {
			limit = *role.ConnectionLimit
		}
		access.Roles = append(access.Roles, instanceapi.Role{
			Name: role.Name, Absent: role.Ensure == v1alpha1.EnsureAbsent,
			Login: role.Login == nil || *role.Login, Inherit: role.Inherit == nil || *role.Inherit,
			CreateDB: role.CreateDB, CreateRole: role.CreateRole, Replication: role.Replication, BypassRLS: role.BypassRLS,
			ConnectionLimit: limit, MemberOf: role.MemberOf, Verifier: s.verifiers[role.Name],
		})
	}
	for _, database := range databases {
		access.Databases = append(access.Databases, instanceapi.Database{
			Name: database.Name, Absent: database.Ensure == v1alpha1.EnsureAbsent, ConfirmDataLoss: database.ConfirmDataLoss,
			Owner: database.Owner, Extensions: database.Extensions,
		})
	}
	return access
}

// accessProblem is the first thing that a person must act on. What is merely not listed any more is no problem.
func accessProblem(report instanceapi.AccessReport) error {
	for _, list := range []struct {
		field   string
		objects []instanceapi.ObjectReport
	}{{"spec.roles", report.Roles}, {"spec.databases", report.Databases}} {
		for _, object := range list.objects {
			if object.State != instanceapi.ObjectUnlisted {
				return reconcile.Stalled(v1alpha1.ReasonAccessFailed, "%s[%s]: %s", list.field, object.Name, object.Message)
			}
		}
	}
	return nil
}

// granted remembers what was last made in which cluster, so that a leader is not asked at each reconcile. The zero
// value is ready to use.
type granted struct {
	mutex    sync.Mutex
	clusters map[types.NamespacedName]grant
}

type grant struct {
	// basis is the digest of all that it depends on.
	basis  string
	at     time.Time
	report instanceapi.AccessReport
}

func (g *granted) lookup(key types.NamespacedName, basis string, now time.Time) (instanceapi.AccessReport, bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	last, ok := g.clusters[key]
	// What PostgreSQL refused may be possible soon: a role whose objects were dropped.
	fresh := grantEvery
	if accessProblem(last.report) != nil {
		fresh = givenSecretsEvery
	}
	return last.report, ok && last.basis == basis && now.Before(last.at.Add(fresh))
}

func (g *granted) remember(key types.NamespacedName, made grant) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.clusters == nil {
		g.clusters = map[types.NamespacedName]grant{}
	}
	g.clusters[key] = made
}

func (g *granted) forget(key types.NamespacedName) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	delete(g.clusters, key)
}
