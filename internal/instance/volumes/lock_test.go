package volumes

import (
	"errors"
	"testing"
)

func TestOnlyOneManagerWorksOnAVolume(t *testing.T) {
	layout := Layout{Data: t.TempDir(), WAL: t.TempDir()}
	first, err := layout.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Lock(); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second manager got the volumes: %v", err)
	}
	// A volume that is shared with another instance's data counts as well.
	if _, err := (Layout{Data: t.TempDir(), WAL: layout.WAL}).Lock(); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second manager got the WAL volume: %v", err)
	}
	taken := TakeOverLock(first.HandOver())
	if _, err := layout.Lock(); !errors.Is(err, ErrInUse) {
		t.Fatalf("lost in the handover: %v", err)
	}
	if err := taken.release(); err != nil {
		t.Fatal(err)
	}
	if _, err := layout.Lock(); err != nil {
		t.Fatalf("not free after its holder has ended: %v", err)
	}
}
