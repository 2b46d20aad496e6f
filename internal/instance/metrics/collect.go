package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// group is what one query tells. Its columns are the labels' values as text, then one float8 for each family;
// NULL means that there is nothing to tell. No two rows may have the same labels.
type group struct {
	name string
	// query for a major version.
	query    func(major int) string
	labels   []string
	families []family
	// keep is how long an answer is good for, where asking is expensive; 0 for the handler's own second.
	keep time.Duration
}

// row of a group's answer.
type row struct {
	labels []string
	values []*float64
}

// ask runs a group's query. Rows come in the order of the query.
func (g group) ask(ctx context.Context, conn *pgx.Conn, major int) ([]row, error) {
	rows, err := conn.Query(ctx, g.query(major))
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", g.name, err)
	}
	answer, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		result := row{labels: make([]string, len(g.labels)), values: make([]*float64, len(g.families))}
		targets := make([]any, 0, len(g.labels)+len(g.families))
		for i := range result.labels {
			targets = append(targets, &result.labels[i])
		}
		for i := range result.values {
			targets = append(targets, &result.values[i])
		}
		return result, r.Scan(targets...)
	})
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", g.name, err)
	}
	return answer, nil
}

// write writes an answer, family by family; one without a value is left out, head and all.
func (g group) write(e *encoder, answer []row) {
	for i, f := range g.families {
		headed := false
		for _, r := range answer {
			if r.values[i] == nil {
				continue
			}
			if !headed {
				e.head(f)
				headed = true
			}
			e.sample(f.name, g.labels, r.labels, *r.values[i])
		}
	}
}

// fixed is a query that is the same in every version.
func fixed(query string) func(int) string { return func(int) string { return query } }
