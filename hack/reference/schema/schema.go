// Package schema reads CRDs as a flat list of fields, and the table that tells
// what changing each of them costs. Reference pages are written from both, and
// test/architecture holds that no field lacks its row.
package schema

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Field is one row of a reference page.
type Field struct {
	// Path from the root, with [] after lists and {} after maps: "spec.roles[].name".
	Path        string
	Type        string
	Description string
	Default     string
	Required    bool
	// Limits are bounds and allowed values, in words.
	Limits []string
	// Rules are the messages of CEL rules: what a person is told who breaks one.
	Rules []string
}

// Kind is one CRD.
type Kind struct {
	Name, Group, Version, Scope, ShortName string
	Description                            string
	Fields                                 []Field
	// Rules of the object as a whole.
	Rules []string
}

// Read a CRD with one version.
func Read(path string) (Kind, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Kind{}, fmt.Errorf("reading a CRD: %w", err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return Kind{}, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(crd.Spec.Versions) != 1 {
		return Kind{}, errors.New(path + ": one version was expected")
	}
	version := crd.Spec.Versions[0]
	root := version.Schema.OpenAPIV3Schema
	kind := Kind{
		Name: crd.Spec.Names.Kind, Group: crd.Spec.Group, Version: version.Name, Scope: string(crd.Spec.Scope),
		ShortName: strings.Join(crd.Spec.Names.ShortNames, ", "), Description: root.Description, Rules: rules(root),
	}
	for _, name := range []string{"spec", "status"} {
		if field, ok := root.Properties[name]; ok {
			kind.walk(name, field, slices.Contains(root.Required, name))
		}
	}
	return kind, nil
}

// foreign are types of Kubernetes' own: their fields are in its reference, not in ours.
func foreign(path string) bool {
	for _, known := range []string{"scheduling.nodeAffinity", "scheduling.tolerations[]", "scheduling.topologySpreadConstraints[]", "status.conditions[]"} {
		if strings.HasSuffix(path, known) {
			return true
		}
	}
	return false
}

func (k *Kind) walk(path string, s apiextensionsv1.JSONSchemaProps, required bool) {
	field := Field{
		Path: path, Type: typeOf(s), Description: oneLine(s.Description), Required: required,
		Limits: limits(s), Rules: rules(&s),
	}
	if s.Default != nil {
		field.Default = strings.Trim(string(s.Default.Raw), `"`)
	}
	if item := itemOf(s); item != nil {
		field.Limits = append(field.Limits, prefixed("each: ", limits(*item))...)
		if item.Type != "object" {
			field.Rules = append(field.Rules, rules(item)...)
		}
	}
	k.Fields = append(k.Fields, field)

	below := path
	if item := itemOf(s); item != nil {
		below, s = path+"[]", *item
		k.lastField().Rules = append(k.lastField().Rules, objectRules(s)...)
	}
	if foreign(below) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		k.walk(below+"."+name, s.Properties[name], slices.Contains(s.Required, name))
	}
}

func (k *Kind) lastField() *Field { return &k.Fields[len(k.Fields)-1] }

func itemOf(s apiextensionsv1.JSONSchemaProps) *apiextensionsv1.JSONSchemaProps {
	if s.Type == "array" && s.Items != nil {
		return s.Items.Schema
	}
	return nil
}

func objectRules(s apiextensionsv1.JSONSchemaProps) []string {
	if s.Type != "object" {
		return nil
	}
	return rules(&s)
}

func rules(s *apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	for _, rule := range s.XValidations {
		out = append(out, rule.Message)
	}
	return out
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func prefixed(prefix string, texts []string) []string {
	var out []string
	for _, text := range texts {
		out = append(out, prefix+text)
	}
	return out
}
