package pgtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// StartStandby clones a server with pg_basebackup and starts the copy as a standby that
// follows it under an application_name, over the local socket as the superuser.
func StartStandby(ctx context.Context, primary *Server, name string, settings map[string]string) (*Server, error) {
	directory, err := os.MkdirTemp("/tmp", "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Programs: primary.Programs, directory: directory, Port: primary.Port,
		Data: filepath.Join(directory, "data"), Socket: filepath.Join(directory, "socket"),
		settings: maps.Clone(primary.settings),
	}
	if err := s.clone(ctx, primary, name); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	maps.Copy(s.settings, settings)
	if err := s.Boot(ctx); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func (s *Server) clone(ctx context.Context, primary *Server, name string) error {
	if err := s.makeDirectories(); err != nil {
		return err
	}
	_, err := s.Run(ctx, "pg_basebackup", "--pgdata="+s.Data, "--host="+primary.Socket, "--port="+strconv.Itoa(primary.Port),
		"--username=postgres", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return err
	}
	s.settings["unix_socket_directories"] = s.Socket
	s.settings["primary_conninfo"] = fmt.Sprintf("host='%s' port=%d user=postgres application_name='%s'", primary.Socket, primary.Port, name)
	return s.WriteFile("standby.signal", "")
}

// RunStandby starts a standby that is removed at the end of the test.
func RunStandby(t testing.TB, primary *Server, name string, settings map[string]string) *Server {
	t.Helper()
	server, err := StartStandby(context.WithoutCancel(t.Context()), primary, name, settings)
	if err != nil {
		t.Fatal(err)
	}
	removeAfter(t, server)
	return server
}
