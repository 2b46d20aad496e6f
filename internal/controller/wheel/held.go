package wheel

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// Held are single children that were handed back, by the UID of what they belong to: they stay left alone until a person has seen to what differs. The zero
// value is ready to use, and nil holds nothing. It is filled anew by each look at what they belong to, before anything is written.
type Held struct {
	mutex sync.Mutex
	of    map[types.UID][]management.Resource
}

// Set what is held of one resource; nothing for an end of it.
func (h *Held) Set(of types.UID, children []management.Resource) {
	if h == nil {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.of == nil {
		h.of = map[types.UID][]management.Resource{}
	}
	if h.of[of] = children; len(children) == 0 {
		delete(h.of, of)
	}
}

// By what a child is held, for people; "" where it is not.
func (h *Held) By(child management.Resource) string {
	if h == nil {
		return ""
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for _, children := range h.of {
		if slices.Contains(children, child) {
			return "spec.resumePolicy"
		}
	}
	return ""
}
