package management

import (
	"fmt"
	"slices"

	contract "github.com/timonier-io/timonier/api/contract/v1alpha1"
)

// Resource is what is decided about.
type Resource struct{ Group, Kind, Namespace, Name string }

func (r Resource) String() string {
	name := r.Kind
	if r.Group != "" {
		name += "." + r.Group
	}
	if r.Namespace != "" {
		return name + " " + r.Namespace + "/" + r.Name
	}
	return name + " " + r.Name
}

// Platform is what the Platform says for all. The zero value is that there is no Platform.
type Platform struct {
	State     contract.ManagementState
	Overrides []contract.Override
}

// Decision is who steers a resource.
type Decision struct {
	State contract.ManagementState
	// By is where that was said, for people: "spec.managementState"; "" for nowhere, as of a default.
	By string
	// Refused is why a state that was asked for is not honoured, "" where it is. The resource is left alone then.
	Refused string
}

// restriction of a state: hands off goes before taking away, which goes before the usual.
func restriction(state contract.ManagementState) int {
	return slices.Index([]contract.ManagementState{"", contract.Managed, contract.Removed, contract.Unmanaged}, state)
}

// Decide who steers a resource, whose own spec says own. The most restrictive of all that is said wins. honoured are the states that its kind can
// honour: what is asked for beyond them is refused, and the resource left alone, since nobody wants it to be as before.
func Decide(resource Resource, own contract.ManagementState, platform Platform, honoured ...contract.ManagementState) Decision {
	decision := Decision{State: contract.Managed}
	for _, said := range []Decision{
		{State: own, By: "spec.managementState"},
		{State: platform.State, By: "spec.managementState of the Platform"},
		overridden(resource, platform.Overrides),
	} {
		if restriction(said.State) > restriction(decision.State) {
			decision = said
		}
	}
	switch {
	case decision.State != contract.Removed:
	case own != contract.Removed: // whatever the API server has let through
		decision.Refused = fmt.Sprintf("%s: only single resources can be %s, by their own spec", decision.By, decision.State)
		decision.State = contract.Unmanaged
	case !slices.Contains(honoured, decision.State):
		decision.Refused = fmt.Sprintf("%s: %s cannot be %s", decision.By, resource.Kind, decision.State)
		decision.State = contract.Unmanaged
	}
	return decision
}

// overridden is what the overrides say of a resource.
func overridden(resource Resource, overrides []contract.Override) Decision {
	if by := overrideOf(resource, overrides); by != "" {
		return Decision{State: contract.Unmanaged, By: by}
	}
	return Decision{}
}
