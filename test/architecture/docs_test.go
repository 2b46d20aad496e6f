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
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "api/postgres/v1alpha1/conditions.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		word, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("%s is not explained in docs/reference/conditions.md", word)
		}
		return true
	})
	if found == 0 {
		t.Error("no reasons were found in conditions.go")
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
