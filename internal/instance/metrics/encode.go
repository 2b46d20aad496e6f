package metrics

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// contentType of Prometheus' text format.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// prefix of every metric's name.
const prefix = "timonier_postgres_"

// kinds of metric, in the words of the text format.
const (
	gauge   = "gauge"
	counter = "counter"
)

// family is a metric with all its labels' values. Names have base units: seconds, bytes; counters end in _total.
type family struct{ name, kind, help string }

// encoder writes the text format. All samples of a family follow its head.
type encoder struct{ bytes.Buffer }

func (e *encoder) head(f family) {
	e.WriteString("# HELP " + prefix + f.name + " " + strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(f.help) + "\n")
	e.WriteString("# TYPE " + prefix + f.name + " " + f.kind + "\n")
}

// sample writes one value; labels and values are as many.
func (e *encoder) sample(name string, labels, values []string, value float64) {
	e.WriteString(prefix + name)
	for i, label := range labels {
		if i == 0 {
			e.WriteByte('{')
		} else {
			e.WriteByte(',')
		}
		e.WriteString(label + `="` + escape(values[i]) + `"`)
	}
	if len(labels) > 0 {
		e.WriteByte('}')
	}
	e.WriteString(" " + number(value) + "\n")
}

// single writes a family of one sample without labels.
func (e *encoder) single(f family, value float64) {
	e.head(f)
	e.sample(f.name, nil, nil, value)
}

// escape writes a label's value, which is any text of a user: the name of a database, say.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}

// number writes a value so that it reads back exactly; whole numbers in full, as they are in bytes.
func number(value float64) string {
	switch {
	case math.IsInf(value, 1):
		return "+Inf"
	case math.IsInf(value, -1):
		return "-Inf"
	case value == math.Trunc(value) && math.Abs(value) < 1<<53:
		return strconv.FormatFloat(value, 'f', 0, 64)
	}
	return strconv.FormatFloat(value, 'g', -1, 64)
}

// flag is 1 for true.
func flag(value bool) float64 {
	if value {
		return 1
	}
	return 0
}
