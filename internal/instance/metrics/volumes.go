package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
)

var (
	volumeSize      = family{"volume_size_bytes", gauge, "Size of the file system on the volume."}
	volumeAvailable = family{"volume_available_bytes", gauge, "What PostgreSQL can still write to the volume."}
	volumeInodes    = family{"volume_available_inodes", gauge, "How many files can still be made on the volume."}
)

// writeVolumes tells how full the volumes are. A volume that cannot be measured is left out, with an error.
//
// statfs answers from memory on every local file system; on a network file system that is
// gone it can block, and with it the metrics, which then is the finding.
func writeVolumes(e *encoder, volumes map[string]string) error {
	names := slices.Sorted(maps.Keys(volumes))
	measured := map[string]syscall.Statfs_t{}
	var failures error
	for _, name := range names {
		var s syscall.Statfs_t
		if err := syscall.Statfs(volumes[name], &s); err != nil {
			failures = errors.Join(failures, fmt.Errorf("measuring volume %s: %w", name, err))
			continue
		}
		measured[name] = s
	}
	for _, f := range []struct {
		family
		value func(syscall.Statfs_t) float64
	}{
		{volumeSize, func(s syscall.Statfs_t) float64 { return float64(s.Blocks) * float64(s.Bsize) }},
		{volumeAvailable, func(s syscall.Statfs_t) float64 { return float64(s.Bavail) * float64(s.Bsize) }},
		{volumeInodes, func(s syscall.Statfs_t) float64 { return float64(s.Ffree) }},
	} {
		headed := false
		for _, name := range names {
			s, ok := measured[name]
			if !ok {
				continue
			}
			if !headed {
				e.head(f.family)
				headed = true
			}
			e.sample(f.name, []string{"volume"}, []string{name}, f.value(s))
		}
	}
	return failures
}
