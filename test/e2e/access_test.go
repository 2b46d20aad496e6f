//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// looksAgainWithin is a little more than how often the operator reads what it does not watch.
const looksAgainWithin = 90 * time.Second

func role(name string, edits ...func(*v1alpha1.Role)) v1alpha1.Role {
	made := v1alpha1.Role{Name: name}
	for _, edit := range edits {
		edit(&made)
	}
	return made
}

func TestRolesAndDatabasesAreMadeAlteredAndOnlyDroppedWithCare(t *testing.T) {
	t.Parallel()
	app, reader, former := role("app"), role("report", func(r *v1alpha1.Role) { r.MemberOf = []string{"pg_read_all_data"} }), role("former")
	shop, archive := v1alpha1.Database{Name: "app", Owner: "app", Extensions: []string{"pg_trgm"}}, v1alpha1.Database{Name: "archive", Owner: "former"}
	c := newSpace(t).create("granted", instances(2), func(s *spec) {
		s.Roles, s.Databases = []v1alpha1.Role{app, reader, former}, []v1alpha1.Database{shop, archive}
	})
	c.waitReady()

	c.sql("CREATE TABLE sales AS SELECT 7 AS amount")
	if got := c.mustSuperuser(c.primary(), "app", "SELECT string_agg(extname, ',') FROM pg_extension WHERE extname = 'pg_trgm'"); got != "pg_trgm" {
		t.Error("the extension was not made")
	}
	reading, err := c.credentials("report")
	if err != nil {
		t.Fatal(err)
	}
	connection, err := c.connectWith(t.Context(), reading)
	if err != nil {
		t.Fatalf("connecting as report: %v", err)
	}
	defer closeQuietly(connection)
	var amount int
	if err := connection.QueryRow(t.Context(), "SELECT amount FROM sales").Scan(&amount); err != nil || amount != 7 {
		t.Errorf("report reads %d (%v)", amount, err)
	}
	if _, err := connection.Exec(t.Context(), "DELETE FROM sales"); refusedWith(err, "42501") != nil {
		t.Errorf("report, which may only read, writes: %v", err)
	}

	// Dropping what holds something is refused, with what it is and how to go on.
	c.mustSuperuser(c.primary(), "archive", "SET ROLE former; CREATE TABLE old AS SELECT 1 AS one")
	archive.Ensure, former.Ensure = v1alpha1.EnsureAbsent, v1alpha1.EnsureAbsent
	c.grant([]v1alpha1.Role{app, reader, former}, []v1alpha1.Database{shop, archive})
	eventually(t, saidWithin, "dropping them is refused", func() error {
		status := c.mustGet().Status
		return errors.Join(isReported(status.Databases, "archive", "Refused", "confirmDataLoss"), isReported(status.Roles, "former", "Refused", "archive"))
	})
	c.waitStalled(v1alpha1.ReasonAccessFailed)
	if rows := c.mustSuperuser(c.primary(), "archive", "SELECT count(*) FROM old"); rows != "1" {
		t.Error("the data is gone")
	}
	archive.ConfirmDataLoss = "archive"
	c.grant([]v1alpha1.Role{app, reader, former}, []v1alpha1.Database{shop, archive})
	c.waitReady()
	if left := c.mustSuperuser(c.primary(), "postgres",
		"SELECT (SELECT count(*) FROM pg_database WHERE datname = 'archive') + (SELECT count(*) FROM pg_roles WHERE rolname = 'former')"); left != "0" {
		t.Error("role or database is still there, although its loss was confirmed")
	}
	if err := c.find(naming.RoleSecret(c.name, "former"), &corev1.Secret{}); err == nil {
		t.Error("the Secret of the dropped role is still there")
	}

	// An entry taken off the list is left alone and reported.
	c.grant([]v1alpha1.Role{app}, []v1alpha1.Database{shop})
	eventually(t, saidWithin, "the role is reported as no longer listed", func() error {
		return isReported(c.mustGet().Status.Roles, "report", "Unlisted", "")
	})
	c.waitReady()
	if left := c.mustSuperuser(c.primary(), "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'report'"); left != "1" {
		t.Error("a role that was merely taken off the list was dropped")
	}
}

func (c *cluster) grant(roles []v1alpha1.Role, databases []v1alpha1.Database) {
	c.t.Helper()
	c.edit(func(s *spec) { s.Roles, s.Databases = roles, databases })
}

// isReported tells whether a role or database has a state in the status, with a word in its message.
func isReported(objects []v1alpha1.ObjectStatus, name, state, word string) error {
	for _, object := range objects {
		if object.Name == name {
			if object.State != state || !strings.Contains(object.Message, word) {
				return fmt.Errorf("%s is reported as %s: %s", name, object.State, object.Message)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is not among %v", name, objects)
}

func TestAPasswordThatTheUserGivesIsHonouredAndItsRotationPickedUp(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	c := s.create("given", instances(2), func(wanted *spec) {
		wanted.Roles = []v1alpha1.Role{role("app"), role("own", func(r *v1alpha1.Role) {
			r.PasswordSecretRef = &v1alpha1.SecretReference{Name: "chosen"}
		})}
		wanted.Databases = []v1alpha1.Database{{Name: "app", Owner: "app"}}
	})
	c.waitStalled(v1alpha1.ReasonSecretMissing, "spec.roles[own].passwordSecretRef", "chosen", "`password`")
	c.sql("SELECT 1") // the other role is served all the same

	s.secret("chosen", map[string]string{"password": "first pàssword 'with\" all"})
	eventually(t, looksAgainWithin, "the given password opens", func() error { return c.opensWith("own", "first pàssword 'with\" all") })
	c.waitReady()

	secret := &corev1.Secret{}
	s.mustFind("chosen", secret)
	secret.Data["password"] = []byte("second")
	if err := kube.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventually(t, looksAgainWithin, "the new password opens", func() error { return c.opensWith("own", "second") })
	if problem := refusedWith(c.opensWith("own", "first pàssword 'with\" all"), "password authentication failed"); problem != nil {
		t.Errorf("the former password: %v", problem)
	}
	if len(secret.Labels) > 0 || len(secret.OwnerReferences) > 0 {
		t.Error("the user's Secret was labelled or taken over")
	}
	if stored := c.mustSuperuser(c.primary(), "postgres", "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'own'"); stored != "SCRAM-SHA-256" {
		t.Errorf("PostgreSQL stores %s", stored)
	}
	eventually(t, looksAgainWithin, "the role's own Secret has the new password", func() error {
		as, err := c.credentials("own")
		if err == nil && as.password != "second" {
			err = errors.New("it has another one")
		}
		return err
	})
}

// opensWith a password: nil where a role is let in.
func (c *cluster) opensWith(role, password string) error {
	as, err := c.credentials(naming.DefaultRole)
	if err != nil {
		return err
	}
	as.user, as.password = role, password
	connection, err := c.connectWith(c.t.Context(), as)
	if err == nil {
		closeQuietly(connection)
	}
	return err
}
