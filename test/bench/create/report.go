package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// Result is what bench/create.json holds.
type Result struct {
	figures.Where
	Creation Creation `json:"creation"`
	// Rest is nil where it was left out.
	Rest *Rest `json:"rest,omitempty"`
}

func (r Result) write(file, page string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, append(content, '\n'), 0o600); err != nil {
		return err
	}
	if err := figures.WriteInto(page, "bench-create", r.table()); err != nil {
		return err
	}
	fmt.Printf("written to %s and %s\n", file, page)
	return nil
}

// table is the summary, in Markdown.
func (r Result) table() string {
	var b strings.Builder
	commit := r.Commit[:min(len(r.Commit), 12)]
	if r.Dirty {
		commit += " with changes"
	}
	fmt.Fprintf(&b, "Measured on %s at commit %s: %d cores, %d GiB, Linux %s; load average %s before, %s after.\n\n",
		r.At.Format("2006-01-02"), commit, r.Cores, (r.MemoryMiB+512)/1024, r.Kernel, r.LoadBefore, r.LoadAfter)
	b.WriteString("| what | median | worst | to reach |\n|---|---|---|---|\n")
	fmt.Fprintf(&b, "| %d instances ready and a row written, from creation, volumes provisioned on the way (%d runs) | %.1f s | %.1f s | 12 s |\n",
		r.Creation.Instances, len(r.Creation.Runs), r.Creation.Median, r.Creation.Worst)
	if r.Rest != nil {
		b.WriteString(r.Rest.table())
	}
	return b.String()
}
