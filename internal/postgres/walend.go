package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Sizes of a page of WAL and of what it begins with, the first of a segment or another one: XLOG_BLCKSZ, SizeOfXLogLongPHD and SizeOfXLogShortPHD in
// access/xlog_internal.h, 64 bits. Records are aligned to eight bytes.
const (
	walPage        = 8192
	walLongHeader  = 40
	walShortHeader = 24
	walAlignment   = 8
)

// What pg_waldump says where the WAL ends, which it takes for an error, and the size of one record in its statistics. Nothing that a record holds is
// printed: it may be long, and of anybody's choice.
var (
	walEndsAfter  = regexp.MustCompile(`error in WAL record at ([0-9A-F]+/[0-9A-F]+):`)
	walRecordSize = regexp.MustCompile(`(?m)^Total +1 .* (\d+) \[100%\]$`)
)

// WALEnd is where recovery of a data directory will come to, of a server that did not stop in an orderly way and does not run: the end of the last
// record that can be read from the REDO of its last checkpoint on, or of the last whole segment. All of it is read. Where a promotion has not come to its first checkpoint,
// the WAL is on more than one timeline, and the error says so. Run runs one of PostgreSQL's programs; its error holds what the program printed there.
func WALEnd(ctx context.Context, run func(ctx context.Context, program string, arguments ...string) (string, error), directory string, control ControlData) (LSN, error) {
	if control.MinRecoveryEndTimeline > control.CheckpointTimeline {
		return 0, fmt.Errorf("recovery begins on timeline %d and ends on %d", control.CheckpointTimeline, control.MinRecoveryEndTimeline)
	}
	wal := filepath.Join(directory, "pg_wal")
	whole := wholeSegments(wal, control)
	if whole <= control.CheckpointREDO {
		return 0, fmt.Errorf("there is no whole segment in %s that holds %s", wal, control.CheckpointREDO)
	}
	dump := func(start LSN, more ...string) (string, error) {
		arguments := append([]string{"--path=" + wal, "--start=" + start.String()}, more...)
		return run(ctx, "pg_waldump", append(arguments, segmentName(start, control), segmentName(whole-1, control))...)
	}
	_, err := dump(control.CheckpointREDO, "--quiet")
	if err == nil {
		return whole, nil
	}
	after := walEndsAfter.FindStringSubmatch(err.Error())
	if after == nil {
		return 0, err
	}
	last, err := ParseLSN(after[1])
	if err != nil {
		return 0, err
	}
	statistics, err := dump(last, "--limit=1", "--stats=record")
	if err != nil {
		return 0, err
	}
	size := walRecordSize.FindStringSubmatch(statistics)
	if size == nil {
		return 0, fmt.Errorf("pg_waldump counts no record at %s: %q", last, statistics)
	}
	length, err := strconv.ParseUint(size[1], 10, 32)
	if err != nil {
		return 0, err
	}
	return recordEnd(last, LSN(length), segmentSize(control), strings.Contains(statistics, "XLOG/SWITCH ")), nil
}

func segmentSize(control ControlData) LSN {
	return LSN(control.WALSegmentSize) //nolint:gosec // pg_control has 1 MB to 1 GB
}

// segmentName is that of the file which holds a position: XLogFileName in access/xlog_internal.h.
func segmentName(at LSN, control ControlData) string {
	number, perHigh := at/segmentSize(control), (LSN(1)<<32)/segmentSize(control)
	return fmt.Sprintf("%08X%08X%08X", control.CheckpointTimeline, uint64(number/perHigh), uint64(number%perHigh))
}

// wholeSegments is where the last segment ends of those that follow each other from the one of REDO on and have their size: where a flush was lost a file may be
// short, or not be there.
func wholeSegments(wal string, control ControlData) LSN {
	size := segmentSize(control)
	end := control.CheckpointREDO / size * size
	for {
		file, err := os.Stat(filepath.Join(wal, segmentName(end, control)))
		if err != nil || file.Size() != control.WALSegmentSize {
			return end
		}
		end += size
	}
}

// recordEnd is where a record of a length ends; after a switch the rest of its segment is empty.
func recordEnd(at, left, segment LSN, isSwitch bool) LSN {
	for room := walPage - at%walPage; left > room; room = walPage - at%walPage {
		left, at = left-room, at+room
		if at%segment == 0 {
			at += walLongHeader
		} else {
			at += walShortHeader
		}
	}
	at = (at + left + walAlignment - 1) / walAlignment * walAlignment
	if isSwitch {
		at = (at + segment - 1) / segment * segment
	}
	return at
}
