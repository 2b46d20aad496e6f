package wheel

import (
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/timonier-io/timonier/internal/reconcile/management"
)

// Held are single children, by the UID of what they belong to, that are left alone whatever the Platform says meanwhile: those that were handed back, until a person has
// seen to what differs, and those that an override named when this round looked, for one that is taken away meanwhile is answered by the next round, which tells first
// what differs. The zero value is ready to use, and nil holds nothing. It is filled anew by each look at what they belong to, before anything is written.
type Held struct {
	mutex sync.Mutex
	of    map[types.UID]map[management.Resource]string
}

// Set what is held of one resource, and by what, for people; nothing for an end of it.
func (h *Held) Set(of types.UID, children map[management.Resource]string) {
	if h == nil {
		return
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.of == nil {
		h.of = map[types.UID]map[management.Resource]string{}
	}
	if h.of[of] = maps.Clone(children); len(children) == 0 {
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
		if by := children[child]; by != "" {
			return by
		}
	}
	return ""
}
