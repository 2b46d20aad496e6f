package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/timonier-io/timonier/internal/postgres"
)

const (
	// defaultTimeout of one collection; Prometheus gives up after 10 s unless told otherwise.
	defaultTimeout = 5 * time.Second
	// freshness: an answer this old is given again, so that many readers cost no more than one.
	freshness = time.Second
)

// Options of a handler.
type Options struct {
	// Connect opens the one connection: as naming.MonitorRole, to the database postgres, over the local socket.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	// Instance and Cluster become labels of timonier_postgres_info.
	Instance, Cluster string
	// Volumes to measure, by what they hold ("data", "wal"): a directory on each.
	Volumes map[string]string
	// Availability counts what this instance does for high availability, and State tells of it now; both nil for neither.
	Availability *Availability
	State        func() State
	// Timeout of one collection; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Report is told what could not be collected; nil tells nobody. It is called once for each collection that had an error.
	Report func(error)
}

// Handler serves the metrics in Prometheus' text format.
type Handler struct {
	options Options

	// mutex guards what follows, and lets one collection at a time use the connection.
	mutex sync.Mutex
	conn  *pgx.Conn
	// version of the server behind conn.
	version postgres.Version
	body    []byte
	at      time.Time
	// kept are answers of groups that are asked seldom, by the group's name.
	kept map[string]keptAnswer
}

type keptAnswer struct {
	rows []row
	at   time.Time
}

// New makes the handler; nothing is connected before Open or the first request.
func New(options Options) *Handler {
	if options.Timeout == 0 {
		options.Timeout = defaultTimeout
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Report == nil {
		options.Report = func(error) {}
	}
	return &Handler{options: options, kept: map[string]keptAnswer{}}
}

// ServeHTTP collects and answers. It answers 200 with timonier_postgres_up 0 where the server does
// not, so that “down” is a value and not a gap.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
		return
	}
	// A reader that goes away does not leave the others without an answer.
	body := h.collect(context.WithoutCancel(r.Context()))
	w.Header().Set("Content-Type", contentType)
	// Nothing can be done about a reader that is gone.
	_, _ = w.Write(body)
}

// Open connects now, unless there is a connection: best when the server has just started, before clients take all there are.
func (h *Handler) Open(ctx context.Context) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.open(ctx)
}

// Close closes the connection; the next request opens another.
func (h *Handler) Close() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.close()
}

func (h *Handler) close() {
	if h.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = h.conn.Close(ctx) // Nothing can be done about a connection that does not close.
	h.conn = nil
}

// sessionSettings keep what users set for applications away from the metrics' connection, and
// their functions out of its queries. (A standby refuses every query of a serializable session.) The name tells people in pg_stat_activity who it is.
const sessionSettings = `SET search_path = ''; SET application_name = 'timonier metrics'; SET idle_session_timeout = 0;
	SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '1s'; SET jit = off; SET default_transaction_read_only = on;
	SET default_transaction_isolation = 'read committed'`

// open connects unless there is a connection that works, as far as one knows.
func (h *Handler) open(ctx context.Context) error {
	if h.conn != nil && !h.conn.IsClosed() {
		return nil
	}
	h.close()
	conn, err := h.options.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connecting for metrics: %w", err)
	}
	h.conn = conn
	var version string
	_, err = conn.Exec(ctx, sessionSettings+fmt.Sprintf("; SET statement_timeout = %d", h.options.Timeout.Milliseconds()/2))
	if err == nil {
		err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	}
	if err == nil {
		h.version, err = postgres.ParseVersion(version)
	}
	if err != nil {
		h.close()
		return fmt.Errorf("preparing the connection for metrics: %w", err)
	}
	return nil
}

var (
	up = family{"up", gauge, "1 when PostgreSQL answers."}
	// The labels are the information.
	info     = family{"info", gauge, "The instance and the version of PostgreSQL that it runs."}
	failures = family{"collection_failures", gauge, "Groups of metrics that could not be collected this time."}
	duration = family{"collection_duration_seconds", gauge, "How long it took to collect these metrics."}
)

// collect is the answer: the latest one while it is fresh, else a new one.
func (h *Handler) collect(ctx context.Context) []byte {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if begun := h.options.Now(); h.body != nil && begun.Sub(h.at) >= 0 && begun.Sub(h.at) < freshness {
		return h.body
	}
	ctx, cancel := context.WithTimeout(ctx, h.options.Timeout)
	defer cancel()
	begun := h.options.Now()
	var e encoder
	answers, err := h.askAll(ctx)
	// A server that was restarted has left a connection that is dead: the second one tells.
	if h.conn == nil && ctx.Err() == nil && answers == nil {
		answers, err = h.askAll(ctx)
	}
	e.single(up, flag(h.conn != nil))
	if h.conn != nil {
		e.head(info)
		e.sample(info.name, []string{"cluster", "instance", "version"}, []string{h.options.Cluster, h.options.Instance, h.version.String()}, 1)
	}
	if h.options.Availability != nil {
		h.options.Availability.write(&e)
		h.options.State().write(&e, h.options.Now())
	}
	failed := 0
	for _, g := range groups() {
		answer, ok := answers[g.name]
		if !ok {
			failed++
			continue
		}
		g.write(&e, answer)
	}
	if measuring := writeVolumes(&e, h.options.Volumes); measuring != nil {
		failed++
		err = errors.Join(err, measuring)
	}
	e.single(failures, float64(failed))
	h.at = h.options.Now()
	e.single(duration, h.at.Sub(begun).Seconds())
	if err != nil {
		h.options.Report(err)
	}
	h.body = e.Bytes()
	return h.body
}

// askAll asks all groups. One that fails is left out, and the others go on, as long as the connection
// lives; where it does not, it is closed, and answers is nil if it was dead from the beginning.
func (h *Handler) askAll(ctx context.Context) (answers map[string][]row, err error) {
	if err := h.open(ctx); err != nil {
		return nil, err
	}
	var failures error
	for _, g := range groups() {
		if kept, ok := h.kept[g.name]; ok && g.keep > 0 && h.options.Now().Sub(kept.at) < g.keep {
			answers = put(answers, g.name, kept.rows)
			continue
		}
		rows, err := g.ask(ctx, h.conn, h.version.Major)
		if err != nil {
			failures = errors.Join(failures, err)
			if h.conn.IsClosed() {
				h.close()
				return answers, failures
			}
			continue
		}
		answers = put(answers, g.name, rows)
		if g.keep > 0 {
			h.kept[g.name] = keptAnswer{rows, h.options.Now()}
		}
	}
	return answers, failures
}

func put(answers map[string][]row, name string, rows []row) map[string][]row {
	if answers == nil {
		answers = map[string][]row{}
	}
	answers[name] = rows
	return answers
}
