package volumes

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
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
	// since is when the write that is under way began, in Unix nanoseconds; 0 for none.
	since atomic.Int64
}

// NewWriteProbe of an instance's volumes; Run does the work. written is told of each write that came back: to which volume ("data", "wal"),
// how long it took, and what went wrong.
func NewWriteProbe(layout Layout, written func(volume string, took time.Duration, err error)) *WriteProbe {
	return &WriteProbe{layout: layout, written: written}
}

// Run writes at each interval where wanted says so, until the context ends. What fails at once is told, and nothing else is done
// about it: the server finds it out too.
func (p *WriteProbe) Run(ctx context.Context, interval time.Duration, wanted func() bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if !wanted() {
			continue
		}
		for _, mount := range p.layout.mounts() {
			began := time.Now()
			p.since.Store(began.UnixNano())
			err := p.write(filepath.Join(mount, probeFile))
			p.since.Store(0)
			p.written(p.layout.volume(mount), time.Since(began), err)
		}
	}
}

// Waits is how long the write that is under way has waited; 0 for none.
func (p *WriteProbe) Waits(now time.Time) time.Duration {
	since := p.since.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(time.Unix(0, since))
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
