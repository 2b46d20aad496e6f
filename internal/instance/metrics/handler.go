package metrics

import (
	"context"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a handler.
type Options struct {
	// Connect opens the one connection: as naming.MonitorRole, to the database postgres, over the local socket.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Instance and Cluster become labels of timonier_postgres_info.
	Instance, Cluster string
	// Volumes to measure, by what they hold ("data", "wal"): a directory on each.
	Volumes map[string]string
	// Timeout of one collection; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Handler serves the metrics in Prometheus' text format.
type Handler struct{ options Options }

// New makes the handler; nothing is connected before the first request.
func New(options Options) *Handler { return &Handler{options: options} }

// ServeHTTP collects and answers. It answers 200 with timonier_postgres_up 0 where the server does
// not, so that “down” is a value and not a gap.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {}

// Close closes the connection; the next request opens another.
func (h *Handler) Close() {}
