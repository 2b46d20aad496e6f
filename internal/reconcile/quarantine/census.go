package quarantine

import "sync"

// Census of a kind: by what the latest attempt on each of its objects failed. It keeps what it was told until an attempt says otherwise, however long ago
// that was: an object deep in back-off fails as much as one that was tried a second ago. The zero value is ready to use.
type Census struct {
	mutex  sync.Mutex
	latest map[string][]string
}

// leastShared is how many objects must fail for the same reason for the fault not to be theirs.
const leastShared = 5

// Attempted notes the reasons that the latest attempt on an object failed for; none where it did not fail.
func (c *Census) Attempted(object string, reasons []string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.latest == nil {
		c.latest = map[string][]string{}
	}
	c.latest[object] = reasons
}

// Recall by what the latest attempt on an object failed, as another operator wrote it down: it counts until there is an attempt of this one.
func (c *Census) Recall(object string, reasons []string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.latest == nil {
		c.latest = map[string][]string{}
	}
	if _, attempted := c.latest[object]; !attempted {
		c.latest[object] = reasons
	}
}

// Forget an object that is gone.
func (c *Census) Forget(object string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.latest, object)
}

// Common is a cause that is shared by more than half of a kind's objects, and by at least five.
type Common struct {
	Reason string
	// Failing for this reason, Of all objects that were attempted.
	Failing, Of int
}

// Shared is what most objects fail by; ok is false where there is no such thing. Of several, such as of two phases of each object, it is the most frequent.
func (c *Census) Shared() (common Common, ok bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for reason, count := range c.failing() {
		worse := count > common.Failing || count == common.Failing && reason < common.Reason
		if c.isShared(count) && worse {
			common, ok = Common{reason, count, len(c.latest)}, true
		}
	}
	return common, ok
}

// Shares tells whether this reason is shared, beside others or not.
func (c *Census) Shares(reason string) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.isShared(c.failing()[reason])
}

// failing is how many objects fail for each reason; for those that hold the mutex.
func (c *Census) failing() map[string]int {
	failing := map[string]int{}
	for _, reasons := range c.latest {
		for _, reason := range reasons {
			failing[reason]++
		}
	}
	return failing
}

func (c *Census) isShared(count int) bool { return count >= leastShared && 2*count > len(c.latest) }
