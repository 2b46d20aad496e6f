package postgres

import "strconv"

// Sizes in bytes.
const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
	// walSegment is the size of a WAL file, as initdb makes it.
	walSegment = 16 * mebibyte
)

// megabytes writes a size in PostgreSQL's MB (which is 1024² bytes), within bounds.
func megabytes(size, least, most int64) string {
	return strconv.FormatInt(min(max(size, least), most)/mebibyte, 10) + "MB"
}

func sharedBuffers(in SettingsInput) string {
	if in.MemoryBytes <= 0 {
		return "128MB"
	}
	return megabytes(in.MemoryBytes/4, 16*mebibyte, 64*gibibyte)
}

func effectiveCacheSize(in SettingsInput) string {
	if in.MemoryBytes <= 0 {
		return "512MB"
	}
	return megabytes(in.MemoryBytes/4*3, 16*mebibyte, 1024*gibibyte)
}

func maintenanceWorkMem(in SettingsInput) string {
	if in.MemoryBytes <= 0 {
		return "64MB"
	}
	return megabytes(in.MemoryBytes/16, 8*mebibyte, gibibyte)
}

// The WAL on a volume of size V: normally up to max_wal_size (V/5), for standbys that are
// away up to max_slot_wal_keep_size (V/4): together less than half. The smallest volume that the
// API admits, 300Mi, gets 60 MB, 75 MB and 30 MB.

func maxWALSize(in SettingsInput) string {
	if in.WALVolumeBytes <= 0 {
		return ""
	}
	return megabytes(in.WALVolumeBytes/5, 2*walSegment, gibibyte)
}

func minWALSize(in SettingsInput) string {
	if in.WALVolumeBytes <= 0 {
		return ""
	}
	return megabytes(in.WALVolumeBytes/16, 2*walSegment, 80*mebibyte)
}

func walKeepSize(in SettingsInput) string {
	if in.WALVolumeBytes <= 0 {
		return "128MB"
	}
	return megabytes(in.WALVolumeBytes/10, walSegment, 512*mebibyte)
}

// maxSlotWALKeepSize has a bound even where the volume is not known: no bound is what fills disks.
func maxSlotWALKeepSize(in SettingsInput) string {
	if in.WALVolumeBytes <= 0 {
		return "1024MB"
	}
	return megabytes(in.WALVolumeBytes/4, 2*walSegment, 1024*gibibyte)
}
