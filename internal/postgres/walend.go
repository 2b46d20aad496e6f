package postgres

import (
	"context"
	"fmt"
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

// What pg_waldump says where the WAL ends; it takes each end for an error.
var (
	walEndsAfter   = regexp.MustCompile(`error in WAL record at ([0-9A-F]+/[0-9A-F]+):`)
	walFileMissing = regexp.MustCompile(`could not find file "[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})"`)
	walRecord      = regexp.MustCompile(`len \(rec/tot\): +\d+/ *(\d+),.* lsn: ([0-9A-F]+/[0-9A-F]+),.* desc: (\w*)`)
)

// WALEnd is where recovery of a data directory will come to, of a server that did not stop in an orderly way and does not run: the end of the last
// record that can be read, beginning with the REDO of its last checkpoint, on that one's timeline. All of it is read. Run runs one of PostgreSQL's programs; its error holds
// what the program printed there.
func WALEnd(ctx context.Context, run func(ctx context.Context, program string, arguments ...string) (string, error), directory string, control ControlData) (LSN, error) {
	source := []string{"--path=" + directory + "/pg_wal", "--timeline=" + strconv.FormatInt(control.CheckpointTimeline, 10)}
	_, err := run(ctx, "pg_waldump", append(source, "--quiet", "--start="+control.CheckpointREDO.String())...)
	if err == nil {
		return 0, fmt.Errorf("pg_waldump found no end of the WAL in %s", directory)
	}
	if missing := walFileMissing.FindStringSubmatch(err.Error()); missing != nil {
		return segmentStart(missing[1], missing[2], control.WALSegmentSize)
	}
	last := walEndsAfter.FindStringSubmatch(err.Error())
	if last == nil {
		return 0, err
	}
	output, err := run(ctx, "pg_waldump", append(source, "--start="+last[1], "--limit=1")...)
	if err != nil {
		return 0, err
	}
	return recordEnd(output, control.WALSegmentSize)
}

// segmentStart is where a segment begins, by the two parts of its file's name that follow the timeline.
func segmentStart(high, low string, size int64) (LSN, error) {
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, err
	}
	l, err := strconv.ParseUint(low, 16, 32)
	return LSN(h<<32 + l*uint64(size)), err //nolint:gosec // a size is positive
}

// recordEnd is where a record ends that pg_waldump has printed.
func recordEnd(line string, segment int64) (LSN, error) {
	found := walRecord.FindStringSubmatch(line)
	if found == nil {
		return 0, fmt.Errorf("pg_waldump printed no record: %q", strings.TrimSpace(line))
	}
	left, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		return 0, err
	}
	start, err := ParseLSN(found[2])
	if err != nil {
		return 0, err
	}
	at := int64(start) //nolint:gosec // no WAL is as long as that
	for room := walPage - at%walPage; left > room; room = walPage - at%walPage {
		left, at = left-room, at+room
		if at%segment == 0 {
			at += walLongHeader
		} else {
			at += walShortHeader
		}
	}
	at = (at + left + walAlignment - 1) / walAlignment * walAlignment
	if found[3] == "SWITCH" { // the rest of its segment is empty
		at = (at + segment - 1) / segment * segment
	}
	return LSN(at), nil //nolint:gosec // positive
}
