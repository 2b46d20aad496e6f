package csi

import (
	"context"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NodePublishVolume shows a staged volume to a pod.
func (d *Driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	target := request.TargetPath
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Errorf(codes.Internal, "making the directory of the volume: %v", err)
	}
	if mounted(target) {
		return &csi.NodePublishVolumeResponse{}, nil // done by a call before
	}
	if err := unix.Mount(request.StagingTargetPath, target, "", unix.MS_BIND, ""); err != nil {
		return nil, status.Errorf(codes.Internal, "showing the volume at %s: %v", target, err)
	}
	if request.Readonly {
		if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return nil, status.Errorf(codes.Internal, "making %s read-only: %v", target, err)
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// NodeUnpublishVolume takes the volume away from a pod.
func (d *Driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if err := unmount(request.TargetPath); err != nil {
		return nil, err
	}
	if err := os.Remove(request.TargetPath); err != nil && !os.IsNotExist(err) {
		return nil, status.Errorf(codes.Internal, "removing the directory of the volume: %v", err)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// mounted tells whether a directory is a mount point: it then lies on another device than the
// directory above it.
func mounted(path string) bool {
	var here, above unix.Stat_t
	return unix.Lstat(path, &here) == nil && unix.Lstat(path+"/..", &above) == nil && here.Dev != above.Dev
}
