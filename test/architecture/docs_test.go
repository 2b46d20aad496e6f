package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/timonier-io/timonier/hack/reference/schema"
)

// TestEveryFieldTellsWhatChangingItCosts holds that the reference has a row for each field of each CRD.
func TestEveryFieldTellsWhatChangingItCosts(t *testing.T) {
	table, err := schema.ReadTable(filepath.Join(root, "docs", "reference", "effects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crds, err := filepath.Glob(filepath.Join(root, "config", "crd", "*_*.yaml"))
	if err != nil || len(crds) == 0 {
		t.Fatalf("no CRDs: %v", err)
	}
	for _, crd := range crds {
		kind, err := schema.Read(crd)
		if err != nil {
			t.Fatal(err)
		}
		missing, surplus := table.Compare(kind)
		for _, field := range missing {
			t.Errorf("%s: %s has no row in docs/reference/effects.yaml: what does changing it cost?", kind.Name, field)
		}
		for _, field := range surplus {
			t.Errorf("%s: docs/reference/effects.yaml has a row for %s, which does not exist", kind.Name, field)
		}
		page, err := os.ReadFile(filepath.Join(root, "docs", "reference", strings.ToLower(kind.Name)+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, field := range kind.Fields {
			if !strings.Contains(string(page), "| `"+field.Path+"` |") {
				t.Errorf("%s: %s is not on its reference page: run make generate", kind.Name, field.Path)
			}
		}
	}
}

// TestEveryReasonIsExplained holds that each reason that a condition can have is in docs/reference/conditions.md.
func TestEveryReasonIsExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "reference", "conditions.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"conditions.go", "operation_conditions.go"} {
		words := literals(t, filepath.Join(root, "api/postgres/v1alpha1", name))
		for _, word := range words {
			if !strings.Contains(string(page), "`"+word+"`") {
				t.Errorf("%s is not explained in docs/reference/conditions.md", word)
			}
		}
		if len(words) == 0 {
			t.Errorf("no reasons were found in %s", name)
		}
	}
}

// literals are all string constants of a file.
func literals(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		word, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, word)
		return true
	})
	return words
}

// TestEveryStateOfAnInstanceIsExplained holds that each state that an instance tells of is in docs/reference/states.md,
// and in the description of the field.
func TestEveryStateOfAnInstanceIsExplained(t *testing.T) {
	read := func(path ...string) string {
		content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	page, field := read("docs", "reference", "states.md"), read("api", "postgres", "v1alpha1", "status_types.go")
	states := regexp.MustCompile(`(?m)^\tState\w+ +State = "(\w+)"`).FindAllStringSubmatch(read("internal", "instanceapi", "types.go"), -1)
	for _, state := range states {
		if !strings.Contains(page, "| `"+state[1]+"` |") {
			t.Errorf("%s is not explained in docs/reference/states.md", state[1])
		}
		if !regexp.MustCompile(`\b` + state[1] + `[, ]`).MatchString(field) {
			t.Errorf("%s is not in the description of status.instances[].state", state[1])
		}
	}
	if len(states) == 0 {
		t.Error("no states were found in internal/instanceapi/types.go")
	}
}

// TestEveryRuleOfTheElectionIsExplained holds that docs/high-availability.md has each rule by its name, and no other.
func TestEveryRuleOfTheElectionIsExplained(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "high-availability.md"))
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, file := range []string{"decide.go", "steps.go"} {
		content, err := os.ReadFile(filepath.Join(root, "internal", "election", file))
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, content...)
	}
	explained, ruling := map[string]bool{}, map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		explained[match[1]] = true
	}
	for _, match := range regexp.MustCompile(`(?m)^\t\{"([a-z_]+)", `).FindAllStringSubmatch(string(code), -1) {
		ruling[match[1]] = true
		if !explained[match[1]] {
			t.Errorf("%s is not explained in docs/high-availability.md", match[1])
		}
	}
	for name := range explained {
		if !ruling[name] {
			t.Errorf("docs/high-availability.md explains %s, which internal/election does not ask", name)
		}
	}
	if len(ruling) == 0 {
		t.Error("no rules were found in internal/election")
	}
}

// TestLinksLeadSomewhere holds that a page which another one points to exists.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	for name, content := range sources(t, ".md") {
		for _, match := range link.FindAllStringSubmatch(string(content), -1) {
			target := match[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(name), target)); err != nil {
				t.Errorf("%s points to %s, which does not exist", name, target)
			}
		}
	}
}
