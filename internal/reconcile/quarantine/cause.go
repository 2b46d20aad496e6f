package quarantine

// Cause is what may lie behind the end of a phase, from what is nothing to worry about to the worst.
type Cause int

// Causes, in the order in which the worst of several counts.
const (
	// Done: it did not fail.
	Done Cause = iota
	// Passing: a conflict, a timeout, throttling, a lost connection. It is tried again, and never counted.
	Passing
	// Waits for something known.
	Waits
	// Stalls until a person acts; that is told, and never counted.
	Stalls
	// Unknown: it counts.
	Unknown
	// Panic counts, and weighs more: it is tried a few times at most.
	Panic
)

// Counts tells whether a failure by this cause brings its phase closer to quarantine.
func (c Cause) Counts() bool { return c >= Unknown }

// Attempt is how one phase ended that ran.
type Attempt struct {
	Phase string
	Cause Cause
	// Reason in one word and Message for people, of a failure that counts.
	Reason, Message string
}
