package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/timonier-io/timonier/test/bench/figures"
)

// Result is what bench/create.json holds.
type Result struct {
	figures.Where
	Creation Creation `json:"creation"`
	// Memory is nil where it was left out.
	Memory *Memory `json:"memory,omitempty"`
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
	if r.Memory != nil {
		fmt.Fprintf(&b, "| resident memory of an instance manager, after %s of rest (%d instances) | %.1f MiB | %.1f MiB | 25 MiB |\n",
			time.Duration(r.Memory.IdleSeconds)*time.Second, len(r.Memory.Managers), mebibytes(r.Memory.ManagersMedian), mebibytes(r.Memory.ManagersWorst))
		fmt.Fprintf(&b, "| resident memory of the operator, with %d clusters | %.1f MiB | | 60 MiB |\n", r.Memory.Clusters, mebibytes(r.Memory.Operator))
	}
	return b.String()
}

func mebibytes(kibibytes int) float64 { return float64(kibibytes) / 1024 }
