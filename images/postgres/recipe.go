// Package postgres makes the image that PostgreSQL pods run: two major versions of PostgreSQL
// (so that a major upgrade has both), pgBackRest and PgBouncer.
//
// recipe.go says what is in it and why, files.go adds what Debian's maintainer scripts would
// have made, config.go how it runs, build.go does the work and skips it when nothing changed.
// The Dockerfile beside them makes an equal image with a container builder, for those who have
// one and want another base.
package postgres

import (
	"github.com/timonier-io/timonier/images/debian"
	"github.com/timonier-io/timonier/images/rootfs"
)

// Recipe is all that decides the content of the image besides the archive's state. It is part
// of the key under which a build is kept: change it and the next build starts anew.
type Recipe struct {
	Request debian.Request `json:"request"`
	Exclude rootfs.Exclude `json:"exclude"`
	// Revision is raised when code of this module changes what it makes of the same packages.
	Revision int `json:"revision"`
}

// Majors are the PostgreSQL versions in the image, the default one first.
var Majors = []string{"17", "15"}

// NewRecipe returns the recipe for an architecture in Debian's naming.
func NewRecipe(architecture string) Recipe {
	return Recipe{
		Revision: 2,
		Request: debian.Request{
			Architecture: architecture,
			Suite:        "trixie",
			OlderSuite:   "bookworm", // for PostgreSQL 15 and the libraries it was linked with
			Packages:     packages,
			Absent:       absent,
		},
		Exclude: exclude,
	}
}

var packages = []string{
	"postgresql-17", // with the contrib extensions
	"postgresql-15",
	"pgbackrest",
	"pgbouncer",
	"libnss-wrapper", // a user name for any UID, which initdb and peer authentication want
	"ca-certificates",
	"tzdata",
	"tzdata-legacy", // names such as US/Pacific, which existing databases use

	// What commands that postgres and pgBackRest run, and people in `kubectl exec`, expect.
	"base-files", "bash", "coreutils", "dash", "findutils", "grep", "gzip", "less", "libc-bin",
	"mawk", "netbase", "procps", "sed", "tar",

	// The library of the newer release serves PostgreSQL 15 too; else the older one would be
	// added.
	"libgnutls30t64",
}

var absent = []string{
	// Just-in-time compilation is off in our configuration, and LLVM is 230 MB.
	"libllvm14", "libllvm19",

	// Debian's wrappers around PostgreSQL (pg_createcluster and the like) and the Perl they are
	// written in. The instance manager calls the programs themselves.
	"postgresql-common", "postgresql-client-common", "postgresql-common-dev", "ssl-cert",
	"perl", "perl-base", "libperl5.40", "perl-modules-5.40", "libjson-perl", "libipc-run-perl",

	// Tools of maintainer scripts, which do not run here.
	"adduser", "passwd", "debconf", "ucf", "dpkg", "init-system-helpers", "sensible-utils",

	// The image has the locales C and C.UTF-8, which are in libc-bin.
	"locales",
}

var exclude = rootfs.Exclude{
	Patterns: []string{
		"usr/share/doc/", "usr/share/doc-base/", "usr/share/man/", "usr/share/info/",
		"usr/share/locale/", "usr/share/lintian/", "usr/share/bug/", "usr/share/menu/",
		"usr/share/postgresql/*/man/", "usr/share/bash-completion/", "usr/share/applications/",
		"usr/share/pixmaps/", "usr/share/gcc/", "usr/share/gdb/", "usr/share/base-files/",

		// Just-in-time compilation: the input, and the module that would load LLVM. Without it
		// postgres ignores the setting jit.
		"usr/lib/postgresql/*/lib/bitcode/", "usr/lib/postgresql/*/lib/llvmjit.so",
		"usr/lib/postgresql/*/lib/llvmjit_types.bc",

		// Building extensions is done elsewhere.
		"usr/lib/postgresql/*/lib/pgxs/", "usr/lib/postgresql/*/lib/*.a",

		// Services of a whole machine.
		"etc/init.d/", "etc/rc?.d/", "etc/systemd/", "usr/lib/systemd/", "etc/cron.d/",
		"etc/logrotate.d/", "etc/sysctl.d/", "usr/lib/sysctl.d/", "usr/lib/sysusers.d/",
		"usr/lib/tmpfiles.d/", "etc/default/", "etc/skel/", "etc/update-motd.d/", "etc/motd",

		// Configuration of the programs is mounted; a default one would be read when it is not.
		"etc/pgbackrest.conf", "etc/pgbouncer/", "etc/postgresql/", "etc/postgresql-common/",
	},
	// Licences stay.
	Except: []string{"usr/share/doc", "usr/share/doc/*", "usr/share/doc/*/copyright"},
}
