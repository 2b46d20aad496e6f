package postgrescluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/postgres"
)

// configuration that the spec asks for. Its revision has two parts: what PostgreSQL may refuse, by which a refusal is
// remembered, and which instances there are, with their availability.
func (s *scope) configuration() instanceapi.Configuration {
	parameters := make(map[string]string, len(s.cluster.Spec.Parameters))
	for name, value := range s.cluster.Spec.Parameters {
		parameters[name] = value.String()
	}
	configuration := instanceapi.Configuration{
		Version:    s.cluster.Spec.Version,
		Parameters: parameters,
		HBA:        s.cluster.Spec.HBA,
	}
	// Whether a value is good may hang on memory and on the image: changing these is a reason to try again.
	written := digest(configuration, s.cluster.Spec.Resources, s.cluster.Spec.Image)
	return completed(configuration, written, s.names(s.members.run), told(s.availability()))
}

// completed is a configuration with what no PostgreSQL refuses; the first part of its revision is given.
func completed(configuration instanceapi.Configuration, written string, instances []string, availability *instanceapi.Availability) instanceapi.Configuration {
	configuration.Instances, configuration.Availability = slices.Sorted(slices.Values(instances)), availability
	configuration.Revision = written + "-" + digest(configuration.Instances, configuration.Availability)
	return configuration
}

// writtenPart of a revision: what a person wrote.
func writtenPart(revision string) string {
	written, _, _ := strings.Cut(revision, "-")
	return written
}

func digest(content ...any) string {
	text, err := json.Marshal(content)
	if err != nil {
		// Plain data; a silent default would hide a change.
		panic(fmt.Sprintf("configuration cannot be written as JSON: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// configurationProblems in the spec, which PostgreSQL need not be asked for.
func configurationProblems(c instanceapi.Configuration) []postgres.Problem {
	return append(postgres.CheckParameters(c.Version, c.Parameters), postgres.CheckHBA(c.HBA)...)
}

// joinProblems for a condition's message.
func joinProblems(problems []postgres.Problem) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.String()
	}
	return strings.Join(texts, ". ")
}

// rejection of what the spec asks for: by an instance now, or earlier as the status remembers; nil where none is known.
func rejection(wanted instanceapi.Configuration, instances map[string]contact.Instance, remembered *v1alpha1.RejectedParameters) *v1alpha1.RejectedParameters {
	for _, name := range sortedKeys(instances) {
		refused := instances[name].Status.Rejected
		if refused != nil && writtenPart(refused.Revision) == writtenPart(wanted.Revision) {
			return &v1alpha1.RejectedParameters{Revision: refused.Revision, Instance: name, Message: refused.Message}
		}
	}
	if remembered != nil && writtenPart(remembered.Revision) == writtenPart(wanted.Revision) {
		return remembered
	}
	return nil
}
