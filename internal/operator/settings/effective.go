package settings

import "strings"

// Source of a value, in the order in which they go before each other.
type Source string

const (
	// SourceFlag goes before all others.
	SourceFlag Source = "Flag"
	// SourceEnvironment is a variable that begins with TIMONIER_.
	SourceEnvironment Source = "Environment"
	// SourceConfigMap is the operator's ConfigMap.
	SourceConfigMap Source = "ConfigMap"
	// SourceDefault is what the table has.
	SourceDefault Source = "Default"
)

// Reason for which something in the ConfigMap is not in force.
type Reason string

const (
	// ReasonOverridden by a flag or the environment.
	ReasonOverridden Reason = "Overridden"
	// ReasonInvalid is a value that is refused, and a setting that the ConfigMap cannot set.
	ReasonInvalid Reason = "Invalid"
	// ReasonNeedsRestart is a change that the operator's next start brings.
	ReasonNeedsRestart Reason = "NeedsRestart"
	// ReasonUnknown is a key that is no setting.
	ReasonUnknown Reason = "Unknown"
)

// Setting is one that is in force, or a key of the ConfigMap that is none.
type Setting struct {
	Name string `json:"name"`
	// Value in force, as a text that could be written in the ConfigMap; "" for a key that is no setting.
	Value string `json:"value"`
	// Source of this value; "" for a key that is no setting.
	Source Source `json:"source,omitempty"`
	// Live settings change while the operator runs, all others with its next start.
	Live bool `json:"live"`
	// NotInForce tells why what the ConfigMap holds, or held no more, is not in force; "" where it is or holds nothing.
	NotInForce Reason `json:"notInForce,omitempty"`
	// Why tells the same to a person, with what to do.
	Why string `json:"why,omitempty"`
}

// Effective is what is in force, and why. It is made by Load and by Store.Reload; the zero one holds nothing.
type Effective struct {
	Values Values
	// Sources are all settings in the order of the table, and after them the keys of the ConfigMap that are none.
	Sources []Setting

	entries entries
}

// Change of a value in force, with the source that it has now.
type Change struct {
	Name, Before, After string
	Source              Source
}

// shown is how much of a value goes into a message or a label, in bytes.
const shown = 200

// bounded is a text that a message or a label can hold: valid UTF-8, and cut where it is long.
func bounded(text string) string {
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
