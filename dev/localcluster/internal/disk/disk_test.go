package disk

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAnImageThatIsNotAttachedHasNoLoopDeviceAndCanBeDeleted(t *testing.T) {
	image := Image(t.TempDir(), "pvc-1")
	if filepath.Base(image) != "pvc-1.img" {
		t.Errorf("the image is %s", image)
	}
	if device := Loop(image); device != "" {
		t.Errorf("it is said to be attached to %s", device)
	}
	if err := Delete(image); err != nil {
		t.Errorf("deleting one that is gone: %v", err)
	}
}

func TestTheMountPointOfADeviceIsFoundInMountinfo(t *testing.T) {
	if got := MountPoint("self", "no-such-device"); got != "" {
		t.Errorf("a device that is not mounted is at %q", got)
	}
	if got := MountPoint("self", "proc"); !strings.HasPrefix(got, "/") {
		t.Errorf("proc is mounted at %q", got)
	}
}
