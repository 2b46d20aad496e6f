package volumes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

// probeFile is written and synced beside PGDATA, on every volume of the instance.
const probeFile = ".write-probe"

// WriteProbe tells whether the volumes take writes. A stalled one keeps whoever writes to it waiting, in the kernel, where nothing ends him:
// so that is a goroutine of its own, and needs no connection to a server.
type WriteProbe struct {
	layout Layout
	// written is told of each write that came back.
	written func(volume string, took time.Duration, err error)
	// made is what times are counted from, so that no step of the clock is in them: since when the write that is under way waits, and since when writes have
	// failed without one that did not; in nanoseconds, 0 for neither.
	made           time.Time
	since, failing atomic.Int64
}

// NewWriteProbe of an instance's volumes; Run does the work. written is told of each write that came back: to which volume ("data", "wal"),
// how long it took, and what went wrong.
func NewWriteProbe(layout Layout, written func(volume string, took time.Duration, err error)) *WriteProbe {
	return &WriteProbe{layout: layout, written: written, made: time.Now()}
}

// Run writes at each interval where wanted says so, until the context ends.
func (p *WriteProbe) Run(ctx context.Context, interval time.Duration, wanted func() bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		// Once writes have failed it is tried until they do not, whoever leads: a server that is started over such a volume would take the lead and lose it again.
		if !wanted() && p.failing.Load() == 0 {
			continue
		}
		p.writeAll()
	}
}

// writeAll once, to each volume.
func (p *WriteProbe) writeAll() {
	broken := false
	for _, mount := range p.layout.mounts() {
		began := time.Now()
		p.since.Store(p.stamp(began))
		err := p.write(filepath.Join(mount, probeFile))
		p.since.Store(0)
		p.written(p.layout.volume(mount), time.Since(began), err)
		broken = broken || breaks(err)
	}
	p.note(broken)
}

// note how a round of writes came back.
func (p *WriteProbe) note(broken bool) {
	switch {
	case !broken:
		p.failing.Store(0)
	case p.failing.Load() == 0:
		p.failing.Store(p.stamp(time.Now()))
	}
}

// breaks tells whether an error is of a volume that takes no writes. A full one is not: it is as full elsewhere, and grows; nor is whatever else may be so on all
// members alike, as a file that belongs to somebody else: the lead would go round.
func breaks(err error) bool {
	for _, broken := range []error{syscall.EIO, syscall.EROFS, syscall.ENODEV, syscall.ENXIO, syscall.ESTALE, syscall.EUCLEAN} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}

// Waits is how long the write that is under way has waited; 0 for none.
func (p *WriteProbe) Waits(now time.Time) time.Duration { return p.span(&p.since, now) }

// Fails is for how long every round of writes has come back with an error; 0 where the last one did not.
func (p *WriteProbe) Fails(now time.Time) time.Duration { return p.span(&p.failing, now) }

// Broken is for how long nothing was written, be it that the write that is under way waits or that all have failed.
func (p *WriteProbe) Broken(now time.Time) time.Duration { return max(p.Waits(now), p.Fails(now)) }

// stamp is never 0.
func (p *WriteProbe) stamp(at time.Time) int64 { return max(1, int64(at.Sub(p.made))) }

func (p *WriteProbe) span(since *atomic.Int64, now time.Time) time.Duration {
	begun := since.Load()
	if begun == 0 {
		return 0
	}
	return now.Sub(p.made) - time.Duration(begun)
}

func (p *WriteProbe) write(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteAt([]byte{'.'}, 0); err != nil {
		return err
	}
	return file.Sync()
}
