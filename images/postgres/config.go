package postgres

import (
	"fmt"
	"maps"
	"strings"

	"github.com/timonier-io/timonier/images/image"
)

// VersionsLabel names the PostgreSQL versions in the image, the default first.
const VersionsLabel = "io.timonier.postgres.versions"

// config says how the image runs: by default it prints its version, for the instance manager
// is its process 1 in a pod, brought by another image.
func config(versions map[string]string, labels map[string]string) image.Config {
	bin := "/usr/lib/postgresql/" + Majors[0] + "/bin"
	all := map[string]string{
		"org.opencontainers.image.title":       "Timonier PostgreSQL",
		"org.opencontainers.image.description": "PostgreSQL " + strings.Join(Majors, " and ") + ", pgBackRest and PgBouncer",
		"org.opencontainers.image.source":      "https://github.com/timonier-io/timonier",
		"org.opencontainers.image.vendor":      "Timonier",
		"org.opencontainers.image.version":     versions["postgresql-"+Majors[0]],
		VersionsLabel:                          strings.Join(Majors, ","),
	}
	for _, pkg := range reported {
		all["io.timonier.version."+pkg] = versions[pkg]
	}
	maps.Copy(all, labels)
	return image.Config{
		User: fmt.Sprintf("%d:0", UID),
		Cmd:  []string{bin + "/postgres", "--version"},
		Env: []string{
			"PATH=" + bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"LANG=C.UTF-8",
			"PAGER=less",
		},
		WorkingDir: "/",
		Labels:     all,
	}
}

// reported are the packages whose versions an image carries in its labels.
var reported = []string{"postgresql-17", "postgresql-15", "pgbackrest", "pgbouncer"}
