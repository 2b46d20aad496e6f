// Package pgtest starts a real PostgreSQL server in a temporary directory, for
// integration tests (build tag integration) and for the generator of the catalogue
// of parameters. There are no mocks of PostgreSQL in this repository: what it does
// is looked up by asking it.
//
// The programs are looked for, in this order:
//
//   - in the root file system that TIMONIER_POSTGRES_ROOTFS names, which is entered with
//     chroot in a mount namespace of its own: what `make images` leaves for the PostgreSQL image, so that the tests
//     see the very programs that pods run. This needs root, unshare and chroot;
//   - in /usr/lib/postgresql/<major>/bin, where Debian's packages postgresql-15 and postgresql-17 put them.
//
// PostgreSQL refuses to run as root. When the tests run as root, the server runs as the user postgres, else nobody.
// A test that finds no programs fails, and says what to install; it does not skip.
package pgtest
