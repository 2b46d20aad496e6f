package sandbox

import "fmt"

// Identity gives the sandbox's UID a name with nss_wrapper, for initdb and peer authentication
// ask for one. It returns the content of the two files that the variables name; the caller puts
// them where the paths lead.
func (s Sandbox) Identity(passwdPath, groupPath string) (passwd, group string, env []string) {
	passwd = fmt.Sprintf("postgres:x:%d:%d:PostgreSQL:/tmp:/bin/sh\n", s.UID, s.GID)
	group = fmt.Sprintf("postgres:x:%d:\n", s.GID)
	env = []string{
		"LD_PRELOAD=libnss_wrapper.so",
		"NSS_WRAPPER_PASSWD=" + passwdPath,
		"NSS_WRAPPER_GROUP=" + groupPath,
	}
	return passwd, group, env
}
