package postgres

import (
	"bytes"
	"fmt"

	"github.com/timonier-io/timonier/images/rootfs"
)

// UID is the user that the image runs as where nobody says otherwise; it runs as any. The group
// is 0, as OpenShift has it, and what a program writes to is that group's.
const UID = 10001

// finish makes what maintainer scripts would have made: users, name resolution, the bundle of
// certificates, and the folders in which volumes are mounted.
func finish(tree *rootfs.Tree) error {
	tree.File("etc/passwd", 0o644, fmt.Appendf(nil,
		"root:x:0:0:root:/root:/bin/bash\n"+
			"postgres:x:%d:0:PostgreSQL:/var/lib/postgresql:/bin/bash\n"+
			"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", UID))
	tree.File("etc/group", 0o644, []byte("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"))
	tree.File("etc/nsswitch.conf", 0o644, []byte(
		"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"+
			"networks: files\nprotocols: files\nservices: files\n"))
	tree.Link("usr/bin/awk", "mawk")
	tree.Link("usr/bin/pager", "less")

	if err := certificates(tree); err != nil {
		return err
	}

	tree.Directory("tmp", 0o1777, 0, 0)
	tree.Directory("var/tmp", 0o1777, 0, 0)
	tree.Directory("run", 0o755, 0, 0)
	// /var/run/postgresql, where clients look for the socket.
	tree.Directory("run/postgresql", 0o1777, 0, 0)
	for _, dir := range []string{
		"var/lib/postgresql", "var/lib/pgbackrest", "var/log/pgbackrest", "var/spool/pgbackrest",
		"var/log/postgresql", "etc/pgbackrest", "etc/pgbouncer",
	} {
		tree.Directory(dir, 0o775, UID, 0)
	}
	// Mount points that a runtime would else have to make in a file system that is read-only.
	for _, dir := range []string{"dev", "proc", "sys", "mnt"} {
		tree.Directory(dir, 0o755, 0, 0)
	}
	return nil
}

// certificates writes the bundle that update-ca-certificates would, and lets OpenSSL's default
// paths (which pgBackRest and libpq with sslrootcert=system use) find it.
func certificates(tree *rootfs.Tree) error {
	var bundle bytes.Buffer
	for _, name := range tree.Glob("usr/share/ca-certificates/mozilla", ".crt") {
		certificate, err := tree.Content(name)
		if err != nil {
			return err
		}
		bundle.Write(bytes.TrimSpace(certificate))
		bundle.WriteByte('\n')
	}
	if bundle.Len() == 0 {
		return fmt.Errorf("ca-certificates brought no file to usr/share/ca-certificates/mozilla: " +
			"it keeps them elsewhere now, change the recipe")
	}
	tree.File("etc/ssl/certs/ca-certificates.crt", 0o644, bundle.Bytes())
	tree.Link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
	return nil
}
