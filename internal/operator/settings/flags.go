package settings

import "github.com/spf13/pflag"

// AddFlags adds a flag for every setting. They take any text: Load judges them, so that all that is wrong is told at once,
// and in the words that the other sources get.
func AddFlags(flags *pflag.FlagSet) {
	for _, d := range table {
		_, several := d.kind.(pairs)
		flags.Var(&flagText{text: d.initial, noun: d.kind.noun(), several: several}, d.name, d.does+" ("+d.environment()+")")
	}
}

// flagText is a flag as it was written; until then, the default.
type flagText struct {
	text, noun string
	// several: what is given again is added to what was given before.
	several, given bool
}

func (f *flagText) String() string { return f.text }

func (f *flagText) Type() string { return f.noun }

func (f *flagText) Set(text string) error {
	if f.several && f.given {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}
