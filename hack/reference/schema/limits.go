package schema

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// typeOf a field as a person would call it.
func typeOf(s apiextensionsv1.JSONSchemaProps) string {
	switch {
	case s.XIntOrString && strings.Contains(s.Pattern, "Ki|Mi"):
		return "quantity"
	case s.XIntOrString:
		return "integer or string"
	case s.Type == "array" && s.Items != nil:
		return "list of " + typeOf(*s.Items.Schema)
	case s.Type == "object" && s.AdditionalProperties != nil:
		return "map to " + typeOf(*s.AdditionalProperties.Schema)
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}

// limits of a value, in words.
func limits(s apiextensionsv1.JSONSchemaProps) []string {
	var out []string
	if len(s.Enum) > 0 {
		var values []string
		for _, value := range s.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		out = append(out, strings.Join(values, ", "))
	}
	if s.Minimum != nil && s.Maximum != nil {
		out = append(out, fmt.Sprintf("%.0f to %.0f", *s.Minimum, *s.Maximum))
	} else if s.Minimum != nil {
		out = append(out, fmt.Sprintf("at least %.0f", *s.Minimum))
	}
	for _, bound := range []struct {
		value *int64
		text  string
	}{
		{s.MaxLength, "at most %d characters"}, {s.MaxItems, "at most %d entries"}, {s.MaxProperties, "at most %d entries"},
	} {
		if bound.value != nil {
			out = append(out, fmt.Sprintf(bound.text, *bound.value))
		}
	}
	if s.Pattern != "" && !s.XIntOrString {
		out = append(out, "matches `"+strings.ReplaceAll(s.Pattern, "|", `\|`)+"`")
	}
	return out
}
