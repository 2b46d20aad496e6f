package management

import (
	"fmt"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// LeftAlone is the override by which a child object is left alone, for people; "" for none.
func LeftAlone(child Resource, overrides []contract.Override) string {
	return overrideOf(child, overrides)
}

// overrideOf is the first one that names a resource or object, for people; "" for none.
func overrideOf(resource Resource, overrides []contract.Override) string {
	for _, override := range overrides {
		if override.Unmanaged && names(override, resource) {
			return "spec.overrides of the Platform, " + Describe(override)
		}
	}
	return ""
}

// names tells whether an override is about this resource. What it leaves empty, but the group, is any.
func names(override contract.Override, resource Resource) bool {
	return override.Kind == resource.Kind && override.Group == resource.Group &&
		(override.Namespace == "" || override.Namespace == resource.Namespace) && (override.Name == "" || override.Name == resource.Name)
}

// Describe what an override names, for people: what it leaves empty is any.
func Describe(override contract.Override) string {
	orAny := func(text string) string {
		if text == "" {
			return "*"
		}
		return text
	}
	kind := override.Kind
	if override.Group != "" {
		kind += "." + override.Group
	}
	return fmt.Sprintf("%s %s/%s", kind, orAny(override.Namespace), orAny(override.Name))
}
