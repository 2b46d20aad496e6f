package settings

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
)

// Store holds what is in force now. It is safe for concurrent use, and a slog.Leveler, so that a logger made with it
// follows log-level.
type Store struct {
	// reloading: one Reload at a time.
	reloading sync.Mutex
	// present is never changed, only replaced.
	present atomic.Pointer[Effective]
}

// NewStore begins with what Load returned.
func NewStore(started Effective) *Store {
	s := &Store{}
	s.present.Store(&started)
	return s
}

// Get the values in force. A reader of something live asks each time; what it gets is its own.
func (s *Store) Get() Values { return s.present.Load().entries.values() }

// Level is log-level.
func (s *Store) Level() slog.Level { return s.present.Load().Values.LogLevel }

// Effective is what is in force, and why; the caller's own.
func (s *Store) Effective() Effective {
	present := s.present.Load()
	return Effective{Values: present.entries.values(), Sources: slices.Clone(present.Sources), entries: present.entries}
}

// Reload takes what the ConfigMap holds now; nil where it is gone. Live settings have their new value when it returns.
// All others keep theirs, and their entry says what the next start will take. The changes are in the order of the table,
// and none is told twice.
func (s *Store) Reload(configMap map[string]string) (changes []Change) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	before := s.present.Load().entries
	bases := make([]given, len(before))
	for i := range before {
		bases[i] = before[i].base
	}
	after := weigh(bases, configMap)
	for i := range after {
		was, is := before[i], &after[i]
		switch {
		case was.text == is.text:
		case !is.live:
			is.keep(was.given)
		default:
			changes = append(changes, Change{Name: is.name, Before: was.text, After: is.text, Source: is.source})
		}
	}
	next := after.effective(configMap)
	s.present.Store(&next)
	return changes
}
