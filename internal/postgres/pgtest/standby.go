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

// Clone copies a server with pg_basebackup, as a standby that is not started and follows nobody yet: the copy has the settings
// and files of the original, and standby.signal.
func Clone(ctx context.Context, original *Server) (*Server, error) {
	directory, err := os.MkdirTemp(place(), "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Programs: original.Programs, directory: directory, Port: original.Port,
		Data: filepath.Join(directory, "data"), Socket: filepath.Join(directory, "socket"),
		settings: maps.Clone(original.settings),
	}
	s.settings["unix_socket_directories"] = s.Socket
	if err := s.copyFrom(ctx, original); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	return s, nil
}

func (s *Server) copyFrom(ctx context.Context, original *Server) error {
	if err := s.makeDirectories(); err != nil {
		return err
	}
	_, err := s.Run(ctx, "pg_basebackup", "--pgdata="+s.Data, "--host="+original.Socket, "--port="+strconv.Itoa(original.Port),
		"--username=postgres", "--checkpoint=fast", "--no-sync")
	if err != nil {
		return err
	}
	return s.WriteFile("standby.signal", "")
}

// StartStandby clones a server and starts the copy as a standby that
// follows it under an application_name, over the local socket as the superuser.
func StartStandby(ctx context.Context, primary *Server, name string, settings map[string]string) (*Server, error) {
	s, err := Clone(ctx, primary)
	if err != nil {
		return nil, err
	}
	s.Set("primary_conninfo", fmt.Sprintf("host='%s' port=%d user=postgres application_name='%s'", primary.Socket, primary.Port, name))
	maps.Copy(s.settings, settings)
	if err := s.Boot(ctx); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
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

// RunClone makes a clone, not started yet, that is removed at the end of the test.
func RunClone(t testing.TB, original *Server) *Server {
	t.Helper()
	server, err := Clone(context.WithoutCancel(t.Context()), original)
	if err != nil {
		t.Fatal(err)
	}
	removeAfter(t, server)
	return server
}
