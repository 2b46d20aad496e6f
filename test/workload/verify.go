package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// decideWithin is what each key's order may cost to find: a few milliseconds are usual.
const decideWithin = 20 * time.Second

// lastLook is the client that exchanges every key's value at the end.
const lastLook = 1 << 20

// Verdict of a load: what broke the promise. Empty lists are as it should be.
type Verdict struct {
	// LostBeats and LostRows were acknowledged and are missing.
	LostBeats, LostRows []Row `json:",omitempty"`
	// Conceded were acknowledged and are missing as well, and that was allowed.
	Conceded []Row `json:",omitempty"`
	// Phantoms were refused and are there all the same.
	Phantoms []Row `json:",omitempty"`
	// Illegal keys have acknowledged exchanges that fit no order; for Undecided ones that is not known.
	Illegal, Undecided []int `json:",omitempty"`
	// Histories of the first few of those keys, by the time of the call: what there is to find out why.
	Histories [][]Exchange `json:",omitempty"`
}

// Lost is how many acknowledged rows are missing, and keys whose history is impossible.
func (v Verdict) Lost() int { return len(v.LostBeats) + len(v.LostRows) + len(v.Illegal) }

// Err tells what broke the promise; nil where it was kept, and that is certain.
func (v Verdict) Err() error {
	if v.Lost()+len(v.Phantoms)+len(v.Undecided) == 0 {
		return nil
	}
	var histories strings.Builder
	for _, history := range v.Histories {
		for _, e := range history {
			histories.WriteString("\n" + e.String())
		}
	}
	return fmt.Errorf("acknowledged and missing: %d rows %v, %d beats %v; refused and there: %d %v; keys whose exchanges fit no order: %d %v; keys not decided: %d %v%s",
		len(v.LostRows), some(v.LostRows), len(v.LostBeats), some(v.LostBeats), len(v.Phantoms), some(v.Phantoms),
		len(v.Illegal), some(v.Illegal), len(v.Undecided), some(v.Undecided), histories.String())
}

// some of many, to be shown.
func some[E any](all []E) []E { return all[:min(len(all), 10)] }

// contents is what the server holds at the end.
type contents struct {
	beats, rows map[Row]bool
	// last exchange of every key that was used.
	last []Exchange
	// missing keys were used, and have no row any more.
	missing []int
}

func keysOf(history []Exchange) []int {
	var keys []int
	for _, e := range history {
		keys = append(keys, e.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Concession is what may be missing though it was acknowledged: what was acknowledged at From or later, and sent before To. The zero one concedes nothing.
type Concession struct{ From, To time.Duration }

func (c Concession) covers(call, end time.Duration) bool { return end >= c.From && call < c.To }

// Verify stops the load, reads everything over a new connection, and compares. All is read within a transaction that
// writes and whose commit must be acknowledged: so it is the leader that is asked, not one that was.
func (l *Load) Verify(ctx context.Context, conceded Concession) (Verdict, error) {
	l.Stop()
	history := conceding(l.registers.all(), conceded)
	found, err := l.read(ctx, keysOf(history))
	if err != nil {
		return Verdict{}, fmt.Errorf("reading what there is at the end: %w", err)
	}
	beats, rows := compare(l.meter.all(), found.beats, conceded), compare(l.appenders.all(), found.rows, conceded)
	verdict := Verdict{LostBeats: beats.lost, LostRows: rows.lost, Conceded: append(rows.conceded, beats.conceded...), Phantoms: append(rows.phantoms, beats.phantoms...)}
	// A key that is gone altogether was seen by no last look: nothing fits that.
	for _, key := range found.missing {
		found.last = append(found.last, Exchange{Key: key, Client: lastLook, Wrote: -1, Saw: -1, Known: true, Call: l.now(), Return: l.now()})
	}
	verdict.Illegal, verdict.Undecided = linearity(append(history, found.last...), decideWithin)
	verdict.Histories = historiesOf(some(append(slices.Clone(verdict.Illegal), verdict.Undecided...)), append(history, found.last...))
	return verdict, nil
}

// historiesOf keys, each by the time of the call.
func historiesOf(keys []int, history []Exchange) [][]Exchange {
	var all [][]Exchange
	for _, key := range keys {
		var one []Exchange
		for _, e := range history {
			if e.Key == key {
				one = append(one, e)
			}
		}
		slices.SortFunc(one, func(a, b Exchange) int { return int(a.Call - b.Call) })
		all = append(all, one)
	}
	return all
}

// conceding makes exchanges unknown that may be missing: whoever knew of them knows no more whether they hold.
func conceding(history []Exchange, conceded Concession) []Exchange {
	for i, e := range history {
		history[i].Known = e.Known && !conceded.covers(e.Call, e.Return)
	}
	return history
}

// difference between what became of rows and what is there.
type difference struct{ lost, conceded, phantoms []Row }

// compare what became of rows with those that are there.
func compare(fates map[Row]fate, there map[Row]bool, conceded Concession) difference {
	var found difference
	for row, became := range fates {
		switch {
		case became.outcome == Acknowledged && !there[row] && conceded.covers(became.call, became.end):
			found.conceded = append(found.conceded, row)
		case became.outcome == Acknowledged && !there[row]:
			found.lost = append(found.lost, row)
		case became.outcome == Refused && there[row]:
			found.phantoms = append(found.phantoms, row)
		}
	}
	for _, list := range [][]Row{found.lost, found.conceded, found.phantoms} {
		slices.SortFunc(list, func(a, b Row) int {
			if a.Worker != b.Worker {
				return a.Worker - b.Worker
			}
			return int(a.Sequence - b.Sequence)
		})
	}
	return found
}

func (l *Load) read(ctx context.Context, keys []int) (contents, error) {
	options := l.options
	options.ConnectWithin, options.AnswerWithin = time.Minute, time.Minute
	s := newSession(l.config, options, "verify")
	defer s.close()
	var found contents
	connecting, cancel := context.WithTimeout(ctx, options.ConnectWithin)
	defer cancel()
	var err error
	if s.conn, err = reach(connecting, s.config); err != nil {
		return found, err
	}
	call := l.now()
	_, err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, func(tx pgx.Tx) (err error) {
			if found.last, err = readRegisters(ctx, tx, keys); err != nil {
				return err
			}
			if found.beats, err = readRows(ctx, tx, "SELECT 0, sequence FROM load_beats"); err != nil {
				return err
			}
			found.rows, err = readRows(ctx, tx, "SELECT worker, sequence FROM load_rows")
			return err
		})
	})
	left := keys
	for i := range found.last {
		left = slices.DeleteFunc(left, func(key int) bool { return key == found.last[i].Key })
		found.last[i].Call, found.last[i].Return = call, l.now()
	}
	found.missing = left
	return found, err
}

func readRows(ctx context.Context, tx pgx.Tx, query string) (map[Row]bool, error) {
	result, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(result, pgx.RowToStructByPos[Row])
	there := make(map[Row]bool, len(all))
	for _, row := range all {
		there[row] = true
	}
	return there, err
}

// readRegisters exchanges the value of these keys.
func readRegisters(ctx context.Context, tx pgx.Tx, keys []int) ([]Exchange, error) {
	result, err := tx.Query(ctx, "UPDATE load_registers SET previous = value, value = -1 WHERE key = ANY ($1) RETURNING key, previous", keys)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(result, func(row pgx.CollectableRow) (Exchange, error) {
		e := Exchange{Client: lastLook, Wrote: -1, Known: true}
		return e, row.Scan(&e.Key, &e.Saw)
	})
}
