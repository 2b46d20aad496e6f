package programs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// osUser is the name under which every program of PostgreSQL runs, whatever the UID: peer authentication compares it.
const osUser = "postgres"

// Environment makes one for the programs of PostgreSQL. initdb and peer authentication look the UID up in the
// passwd file; a UID that Kubernetes chose has no entry there, so libnss_wrapper shows them a file of ours,
// below directory. base is the environment of this process.
func Environment(directory string, uid, gid int, base []string) ([]string, error) {
	environment := []string{"LC_ALL=C", "TZ=UTC", "PATH=" + valueOf(base, "PATH"), "HOME=/tmp", "PGSYSCONFDIR=" + directory}
	if passwdName("/etc/passwd", uid) == osUser {
		return environment, nil
	}
	library, err := nssWrapper()
	if err != nil {
		return nil, err
	}
	passwd, group := filepath.Join(directory, "passwd"), filepath.Join(directory, "group")
	entry := fmt.Sprintf("root:x:0:0:root:/root:/bin/sh\n%s:x:%d:%d:PostgreSQL:/tmp:/bin/sh\n", osUser, uid, gid)
	if err := os.WriteFile(passwd, []byte(entry), 0o644); err != nil {
		return nil, fmt.Errorf("writing the passwd file for UID %d: %w", uid, err)
	}
	if err := os.WriteFile(group, fmt.Appendf(nil, "root:x:0:\n%s:x:%d:\n", osUser, gid), 0o644); err != nil {
		return nil, fmt.Errorf("writing the group file for UID %d: %w", uid, err)
	}
	return append(environment, "LD_PRELOAD="+library, "NSS_WRAPPER_PASSWD="+passwd, "NSS_WRAPPER_GROUP="+group), nil
}

func nssWrapper() (string, error) {
	for _, pattern := range []string{"/usr/lib/*/libnss_wrapper.so", "/usr/lib/libnss_wrapper.so", "/usr/lib64/libnss_wrapper.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // the pattern is well-formed
			return found[0], nil
		}
	}
	return "", fmt.Errorf("this UID has no entry %q in /etc/passwd, and the image has no libnss_wrapper.so to give it one; install libnss-wrapper in the image", osUser)
}

// passwdName is the name of a UID in a passwd file, "" where it has none.
func passwdName(file string, uid int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return "" // an image without the file has no entry in it
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(line, ":")
		if len(fields) > 2 && fields[2] == strconv.Itoa(uid) {
			return fields[0]
		}
	}
	return ""
}

func valueOf(environment []string, key string) string {
	for _, entry := range environment {
		if value, ok := strings.CutPrefix(entry, key+"="); ok {
			return value
		}
	}
	return ""
}
