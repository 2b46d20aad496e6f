package reconcile

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Memory of what was looked into and found right, by its owner: it need not be again while all that it was judged by is the same. With thousands of owners at
// rest most of a look would be to find what the one before found. The zero value is ready to use, by several controllers at the same time; a nil one remembers nothing.
type Memory struct {
	mutex  sync.Mutex
	owners map[types.UID]map[Matter]Digest
}

// Matter that is judged: an object by its kind and name, or what else a kind is made up for.
type Matter struct{ Kind, Name string }

// Digest of all that a matter is judged by.
type Digest [16]byte

// DigestOf texts: of others, or of the same divided otherwise, it is another one.
func DigestOf(texts ...[]byte) Digest {
	sum := sha256.New()
	for _, text := range texts {
		// A hash never fails.
		_ = binary.Write(sum, binary.BigEndian, int64(len(text)))
		_, _ = sum.Write(text)
	}
	return Digest(sum.Sum(nil)[:len(Digest{})])
}

// Right tells whether the matter was found right by what has this digest, and by nothing else since.
func (m *Memory) Right(owner types.UID, matter Matter, digest Digest) bool {
	if m == nil {
		return false
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	found, known := m.owners[owner][matter]
	return known && found == digest
}

// Found the matter right.
func (m *Memory) Found(owner types.UID, matter Matter, digest Digest) {
	if m == nil {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.owners == nil {
		m.owners = map[types.UID]map[Matter]Digest{}
	}
	if m.owners[owner] == nil {
		m.owners[owner] = map[Matter]Digest{}
	}
	m.owners[owner][matter] = digest
}

// Drop matters that the owner has no more.
func (m *Memory) Drop(owner types.UID, matters ...Matter) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, matter := range matters {
		delete(m.owners[owner], matter)
	}
}

// Forget all of an owner that is gone.
func (m *Memory) Forget(owner types.UID) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.owners, owner)
}
