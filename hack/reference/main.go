// Command reference writes docs/reference from the CRDs in config/crd, from
// docs/reference/effects.yaml, and from the tables in internal/postgres. It is run by `make generate`.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/timonier-io/timonier/hack/reference/schema"
	"github.com/timonier-io/timonier/internal/postgres"
)

func main() {
	if err := run("config/crd", "docs/reference"); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(crds, docs string) error {
	table, err := schema.ReadTable(filepath.Join(docs, "effects.yaml"))
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(crds, "*_*.yaml"))
	if err != nil {
		return fmt.Errorf("listing CRDs: %w", err)
	}
	if len(files) == 0 {
		return errors.New("there are no CRDs in " + crds)
	}
	for _, file := range files {
		kind, err := schema.Read(file)
		if err != nil {
			return err
		}
		if missing, surplus := table.Compare(kind); len(missing)+len(surplus) > 0 {
			return fmt.Errorf("docs/reference/effects.yaml, %s: fields without a row: %v; rows without a field: %v",
				kind.Name, missing, surplus)
		}
		path := filepath.Join(docs, strings.ToLower(kind.Name)+".md")
		if err := write(path, page(kind, table[kind.Name])); err != nil {
			return err
		}
	}
	return write(filepath.Join(docs, "parameters.md"), parameters(postgres.MakeReference()))
}

func write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("writing a reference page: %w", err)
	}
	return nil
}

// page of one kind.
func page(kind schema.Kind, rows map[string]schema.Row) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "<!-- Written by `make generate` from the CRD and effects.yaml; edit those. -->\n\n# %s\n\n", kind.Name)
	fmt.Fprintf(&out, "`apiVersion: %s/%s`, `kind: %s`, %s", kind.Group, kind.Version, kind.Name, strings.ToLower(kind.Scope))
	if kind.ShortName != "" {
		fmt.Fprintf(&out, ", short name `%s`", kind.ShortName)
	}
	fmt.Fprintf(&out, ".\n\n%s\n", kind.Description)
	list(&out, "\nRules for the object as a whole, in the words that a person is told:\n\n", kind.Rules)
	out.WriteString(legend)
	for _, section := range []struct{ prefix, title string }{{"spec", "Spec"}, {"status", "Status"}} {
		table(&out, section.title, section.prefix, kind.Fields, rows)
	}
	ruleList(&out, kind.Fields)
	return out.Bytes()
}

const legend = `
What a change costs while the cluster runs: **immutable** it is refused; **live** nothing notices; **reload**
PostgreSQL reads its configuration again, connections stay; **restart** PostgreSQL restarts, one instance
after the other; **re-create** pods are made anew, one after the other, standbys first; **reported** Timonier
writes it.
`

func table(out *bytes.Buffer, title, prefix string, fields []schema.Field, rows map[string]schema.Row) {
	begun := false
	for _, field := range fields {
		if field.Path != prefix && !strings.HasPrefix(field.Path, prefix+".") {
			continue
		}
		if !begun {
			fmt.Fprintf(out, "\n## %s\n\n| field | type | what it is | limits and default | a change |\n|---|---|---|---|---|\n", title)
			begun = true
		}
		row := rows[field.Path]
		change := "**" + string(row.Effect) + "**"
		if row.Note != "" {
			change += ": " + row.Note
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", field.Path, field.Type, escape(field.Description), details(field), change)
	}
}

func details(field schema.Field) string {
	parts := append([]string{}, field.Limits...)
	if field.Required {
		parts = append([]string{"required"}, parts...)
	}
	if field.Default != "" {
		parts = append(parts, "default `"+field.Default+"`")
	}
	return strings.Join(parts, "; ")
}

// ruleList gathers the messages of CEL rules, which are too long for the table.
func ruleList(out *bytes.Buffer, fields []schema.Field) {
	var texts []string
	for _, field := range fields {
		for _, rule := range field.Rules {
			texts = append(texts, "`"+field.Path+"`: "+rule)
		}
	}
	list(out, "\n## Rules\n\nWhat is refused, in the words that a person is told:\n\n", texts)
}

func list(out *bytes.Buffer, heading string, texts []string) {
	if len(texts) == 0 {
		return
	}
	out.WriteString(heading)
	for _, text := range texts {
		out.WriteString("- " + text + "\n")
	}
}

func escape(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
