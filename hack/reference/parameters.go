package main

import (
	"bytes"
	"fmt"

	"github.com/timonier-io/timonier/internal/postgres"
)

const parametersHead = `<!-- Written by ` + "`make generate`" + ` from the tables in internal/postgres; edit those. -->

# Parameters

What becomes of a name in ` + "`spec.parameters`" + `. All that is not listed here can be set, within PostgreSQL's own bounds; a
parameter of an extension has a dot in its name and is passed on. [How to set parameters](../how-to/parameters.md) tells
when instances restart for one.
`

const parametersTail = `
Also refused: names that PostgreSQL does not know, its developer options, everything that names a file or folder, and
` + "`recovery_target…`, `ssl…`, `unix_socket_…`, `syslog_…`, `krb_…`, `gss_…`" + `, and those that tell where the log goes.

## Bounds of Timonier's own

` + "`synchronous_commit`" + ` may be ` + "`on` or `remote_apply`, `wal_level` is `replica` or `logical`" + `; senders, slots and reserved
connections may not go below what nine instances need. The message tells the bound.
`

// parameters is the page of what may be set.
func parameters(reference postgres.Reference) []byte {
	var out bytes.Buffer
	out.WriteString(parametersHead)
	for _, section := range []struct {
		title, text string
		rows        []postgres.ReferenceRow
	}{
		{"Defaults that you may change", "Timonier sets them with this in mind.", reference.Defaults},
		{"Managed", "Timonier sets them, and refuses other values.", reference.Managed},
		{"Refused", "Timonier leaves PostgreSQL's default, and refuses other values.", reference.Refused},
	} {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n| parameter | why |\n|---|---|\n", section.title, section.text)
		for _, row := range section.rows {
			fmt.Fprintf(&out, "| `%s` | %s |\n", row.Name, escape(row.Reason))
		}
	}
	out.WriteString(parametersTail)
	return out.Bytes()
}
