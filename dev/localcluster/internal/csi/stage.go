package csi

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/timonier-io/timonier/dev/localcluster/internal/disk"
)

// NodeStageVolume mounts a volume on this node.
//
// A file system that two kernels' worth of mounts wrote to would be destroyed, and a volume that is
// still mounted on a node that hangs may be written to when that goes on. So the volume is refused
// while any node has it: the loop device tells, and the kernel removes that with the mount, also
// when the node loses its power.
func (d *Driver) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	image, target := disk.Image(d.Volumes, request.VolumeId), request.StagingTargetPath
	if _, err := os.Stat(image); err != nil {
		return nil, status.Errorf(codes.NotFound, "the volume %s has no image: %v", request.VolumeId, err)
	}
	if request.VolumeCapability.GetBlock() != nil {
		return nil, status.Error(codes.InvalidArgument, "this driver has no raw block volumes: set volumeMode to Filesystem")
	}
	unlock, err := lockImage(image)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "locking %s: %v", image, err)
	}
	defer unlock()
	if device := disk.Loop(image); device != "" {
		if disk.MountPoint("self", device) == target {
			return &csi.NodeStageVolumeResponse{}, nil // done by a call before
		}
		return nil, status.Errorf(codes.FailedPrecondition,
			"the volume %s is mounted on another node, and only one may write to it; stop its pods there, or that node", request.VolumeId)
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Errorf(codes.Internal, "making the staging directory: %v", err)
	}
	// `mount` finds a free loop device, making one if needed, and has it removed with the mount.
	if err := run("mount", "-t", "xfs", "-o", "loop,noatime", image, target); err != nil {
		return nil, err
	}
	d.Log("mounted %s", request.VolumeId)
	return &csi.NodeStageVolumeResponse{}, nil
}

// NodeUnstageVolume unmounts a volume from this node and waits until another may have it.
func (d *Driver) NodeUnstageVolume(ctx context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	if err := unmount(request.StagingTargetPath); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	image := disk.Image(d.Volumes, request.VolumeId)
	for device := disk.Loop(image); device != "" && disk.Loop(image) == device; {
		select {
		case <-ctx.Done():
			return nil, status.Errorf(codes.Internal, "%s does not let go of the volume: a process still has a file of it open", device)
		case <-time.After(10 * time.Millisecond):
		}
	}
	d.Log("unmounted %s", request.VolumeId)
	return &csi.NodeUnstageVolumeResponse{}, nil
}

// run executes a program of util-linux or xfsprogs.
func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return status.Errorf(codes.Internal, "%s %s: %v: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// unmount is content when nothing is mounted or there.
func unmount(path string) error {
	err := unix.Unmount(path, 0)
	if err == nil || err == unix.EINVAL || err == unix.ENOENT {
		return nil
	}
	return status.Errorf(codes.Internal, "unmounting %s: %v", path, err)
}

// lockImage keeps two nodes from attaching an image at the same moment.
func lockImage(image string) (unlock func(), err error) {
	file, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}
