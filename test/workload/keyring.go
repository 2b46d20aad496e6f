package workload

import "sync"

// keyring hands out keys so that several clients meet at the same few, and none is used more than a number of times:
// what a checker has to try grows steeply with the operations on one key. Safe for concurrent use.
type keyring struct {
	mutex   sync.Mutex
	uses    map[int]int
	current []int
	// next key that was not used yet; last is the last one that there is.
	next, last int
	limit      int
	turn       int
}

// newKeyring has so many keys in use at a time, of those from 1 to last.
func newKeyring(atOnce, last, limit int) *keyring {
	k := &keyring{uses: map[int]int{}, next: 1, last: last, limit: limit}
	for range atOnce {
		k.current = append(k.current, k.fresh())
	}
	return k
}

// fresh is a new key; 0 where all are used up.
func (k *keyring) fresh() int {
	if k.next > k.last {
		return 0
	}
	k.next++
	return k.next - 1
}

// take a key for one operation; 0 where all are used up.
func (k *keyring) take() int {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for range k.current {
		k.turn = (k.turn + 1) % len(k.current)
		key := k.current[k.turn]
		if key != 0 && k.uses[key] >= k.limit {
			key = k.fresh()
			k.current[k.turn] = key
		}
		if key != 0 {
			k.uses[key]++
			return key
		}
	}
	return 0
}

// giveBack a key whose operation is certain not to have happened.
func (k *keyring) giveBack(key int) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.uses[key]--
}
