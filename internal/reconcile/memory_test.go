package reconcile

import "testing"

func TestWhatWasFoundRightIsSoUntilAnythingOfItChanges(t *testing.T) {
	memory, matter := &Memory{}, Matter{"Service", "orders"}
	memory.Found("a", matter, DigestOf([]byte("1"), []byte("x")))
	if !memory.Right("a", matter, DigestOf([]byte("1"), []byte("x"))) {
		t.Error("what was found is not remembered")
	}
	for name, right := range map[string]bool{
		"another version":             memory.Right("a", matter, DigestOf([]byte("2"), []byte("x"))),
		"a shift between two texts":   memory.Right("a", matter, DigestOf([]byte("1x"), []byte(""))),
		"another owner":               memory.Right("b", matter, DigestOf([]byte("1"), []byte("x"))),
		"another kind":                memory.Right("a", Matter{"Secret", "orders"}, DigestOf([]byte("1"), []byte("x"))),
		"another name":                memory.Right("a", Matter{"Service", "bills"}, DigestOf([]byte("1"), []byte("x"))),
		"a memory that remembers not": (*Memory)(nil).Right("a", matter, DigestOf([]byte("1"), []byte("x"))),
	} {
		if right {
			t.Errorf("%s counts as found right", name)
		}
	}
	memory.Found("a", matter, DigestOf([]byte("2"), []byte("x")))
	if memory.Right("a", matter, DigestOf([]byte("1"), []byte("x"))) {
		t.Error("what was found right before it changed still counts")
	}
	memory.Found("a", Matter{"Secret", "orders"}, DigestOf(nil))
	if memory.Drop("a", matter); memory.Right("a", matter, DigestOf([]byte("2"), []byte("x"))) || !memory.Right("a", Matter{"Secret", "orders"}, DigestOf(nil)) {
		t.Error("what was dropped is known, or another matter is not")
	}
	memory.Found("a", matter, DigestOf([]byte("2"), []byte("x")))
	memory.Forget("a")
	if memory.Right("a", matter, DigestOf([]byte("2"), []byte("x"))) {
		t.Error("what was forgotten is still known")
	}
}
