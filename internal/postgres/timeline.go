package postgres

import "fmt"

// HistoryFileName is the name of a timeline's history file in pg_wal: "00000003.history".
// Timeline 1 has none.
func HistoryFileName(timeline int64) string { return fmt.Sprintf("%08X.history", timeline) }
