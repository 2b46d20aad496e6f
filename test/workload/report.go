package workload

import "time"

// Counts of the writes of one kind of client.
type Counts struct {
	Acknowledged int `json:"acknowledged"`
	Unknown      int `json:"unknown"`
	Refused      int `json:"refused"`
	// Reasons why writes were not acknowledged, the first few different ones, with how often.
	Reasons map[string]int `json:"reasons,omitempty"`
}

// Errors are the writes that were not acknowledged.
func (c Counts) Errors() int { return c.Unknown + c.Refused }

// Figures of a load so far.
type Figures struct {
	// GapMilliseconds is the longest time between two acknowledged writes of the meter.
	GapMilliseconds int64 `json:"gapMilliseconds"`
	// GapOpen: no write was acknowledged since.
	GapOpen   bool   `json:"gapOpen,omitempty"`
	Meter     Counts `json:"meter"`
	Appenders Counts `json:"appenders"`
	Registers Counts `json:"registers"`
}

// Acknowledged writes of all clients.
func (f Figures) Acknowledged() int {
	return f.Meter.Acknowledged + f.Appenders.Acknowledged + f.Registers.Acknowledged
}

// Errors of all clients.
func (f Figures) Errors() int { return f.Meter.Errors() + f.Appenders.Errors() + f.Registers.Errors() }

// Figures of the load from its start until now.
func (l *Load) Figures() Figures {
	gap := l.Longest(0)
	return Figures{
		GapMilliseconds: gap.Length().Round(time.Millisecond).Milliseconds(), GapOpen: gap.Open && gap.Length() > l.options.AnswerWithin,
		Meter: l.meter.figures(), Appenders: l.appenders.figures(), Registers: l.registers.figures(),
	}
}
