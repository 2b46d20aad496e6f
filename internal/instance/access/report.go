package access

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

// kind of object.
type kind string

const (
	kindRole     kind = "role"
	kindDatabase kind = "database"
)

// object is a role or a database.
type object struct {
	kind kind
	name string
}

func roleObject(name string) object     { return object{kindRole, name} }
func databaseObject(name string) object { return object{kindDatabase, name} }

// String is "role app".
func (o object) String() string { return string(o.kind) + " " + o.name }

// maxMessage bounds a message, in bytes: it becomes part of a status.
const maxMessage = 1500

// reporter collects what is said about objects. What is said twice of one object is joined; Failed is told before Refused.
type reporter struct {
	objects map[object]instanceapi.ObjectReport
}

func (r *reporter) add(o object, state instanceapi.ObjectState, message string) {
	if r.objects == nil {
		r.objects = map[object]instanceapi.ObjectReport{}
	}
	entry, known := r.objects[o]
	if known {
		message = entry.Message + "; " + message
	}
	if !known || state == instanceapi.ObjectFailed {
		entry.State = state
	}
	entry.Name, entry.Message = o.name, cut(message, maxMessage)
	r.objects[o] = entry
}

// cut shortens a text to at most n bytes, at the end of a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	n -= len("…")
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

func (r *reporter) result() instanceapi.AccessReport {
	var report instanceapi.AccessReport
	for _, o := range slices.SortedFunc(maps.Keys(r.objects), func(a, b object) int { return cmp.Compare(a.name, b.name) }) {
		if o.kind == kindRole {
			report.Roles = append(report.Roles, r.objects[o])
		} else {
			report.Databases = append(report.Databases, r.objects[o])
		}
	}
	return report
}

// explain is what PostgreSQL said, without the statement that it was about: that may hold a verifier.
func explain(err error) string {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return err.Error()
	}
	parts := []string{"PostgreSQL says: " + refusal.Message}
	for _, more := range []string{refusal.Detail, refusal.Hint} {
		if more != "" {
			parts = append(parts, strings.Join(strings.Fields(more), " "))
		}
	}
	return strings.Join(parts, ". ")
}

// withoutStatement is the error as explain tells it.
func withoutStatement(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(explain(err))
}
