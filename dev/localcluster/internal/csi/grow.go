package csi

import (
	"context"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/timonier-io/timonier/dev/localcluster/internal/disk"
)

// NodeExpandVolume grows a mounted volume while it is used: the image, then the loop device, then
// the file system.
func (d *Driver) NodeExpandVolume(_ context.Context, request *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	image, want := disk.Image(d.Volumes, request.VolumeId), request.GetCapacityRange().GetRequiredBytes()
	info, err := os.Stat(image)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "the volume %s has no image: %v", request.VolumeId, err)
	}
	size := info.Size()
	if want > size {
		if err := os.Truncate(image, want); err != nil {
			return nil, status.Errorf(codes.Internal, "growing the image to %d bytes: %v", want, err)
		}
		size = want
	}
	device := disk.Loop(image)
	if device == "" {
		return nil, status.Errorf(codes.FailedPrecondition, "the volume %s is not mounted, and XFS grows only while it is", request.VolumeId)
	}
	if err := run("losetup", "--set-capacity", device); err != nil {
		return nil, err
	}
	if err := run("xfs_growfs", request.VolumePath); err != nil {
		return nil, err
	}
	d.Log("grew %s to %d bytes", request.VolumeId, size)
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

// NodeGetVolumeStats says how full a volume is; the kubelet's metrics pass it on.
func (d *Driver) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(request.VolumePath, &fs); err != nil {
		return nil, status.Errorf(codes.NotFound, "looking at the volume at %s: %v", request.VolumePath, err)
	}
	block := fs.Bsize
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{
			Unit: csi.VolumeUsage_BYTES, Total: int64(fs.Blocks) * block,
			Available: int64(fs.Bavail) * block, Used: int64(fs.Blocks-fs.Bfree) * block,
		}, {
			Unit: csi.VolumeUsage_INODES, Total: int64(fs.Files),
			Available: int64(fs.Ffree), Used: int64(fs.Files - fs.Ffree),
		},
	}}, nil
}
