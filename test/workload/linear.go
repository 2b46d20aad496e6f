package workload

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// seen is an exchange's answer.
type seen struct {
	value int64
	known bool
}

// register holds one value, 0 at first; an exchange replaces it. One whose outcome is unknown fits wherever it may
// have taken effect.
func register() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			answer, ok := output.(seen)
			return ok && (!answer.known || answer.value == state), input
		},
	}
}

// linearity looks at each key alone. It returns the keys whose exchanges fit no order, and those for which that could
// not be decided within the time that each has.
func linearity(history []Exchange, within time.Duration) (illegal, undecided []int) {
	keys := map[int][]Exchange{}
	for _, e := range history {
		keys[e.Key] = append(keys[e.Key], e)
	}
	for key, exchanges := range keys {
		switch porcupine.CheckOperationsTimeout(register(), operations(exchanges), within) {
		case porcupine.Ok:
		case porcupine.Illegal:
			illegal = append(illegal, key)
		case porcupine.Unknown:
			undecided = append(undecided, key)
		}
	}
	slices.Sort(illegal)
	slices.Sort(undecided)
	return illegal, undecided
}

// operations of one key, with as few of unknown fate as possible, since each doubles what a checker tries. Values are
// unique, so what is known bounds them, without changing the answer:
//
//   - one whose value no known exchange saw is left out. In any order, what follows it is unknown too, and fits
//     without it;
//   - one whose value a known exchange saw took effect before that one returned.
func operations(exchanges []Exchange) []porcupine.Operation {
	seenBy := map[int64]int64{}
	for _, e := range exchanges {
		if end, ok := seenBy[e.Saw]; e.Known && (!ok || int64(e.Return) < end) {
			seenBy[e.Saw] = int64(e.Return)
		}
	}
	var all []porcupine.Operation
	for _, e := range exchanges {
		end := int64(e.Return)
		if !e.Known {
			bound, observed := seenBy[e.Wrote]
			if !observed {
				continue
			}
			end = max(bound, int64(e.Call)) // one seen before it was sent is illegal, but no interval that ends before it begins
		}
		all = append(all, porcupine.Operation{
			ClientId: e.Client, Input: e.Wrote, Output: seen{e.Saw, e.Known}, Call: int64(e.Call), Return: end,
		})
	}
	return all
}
