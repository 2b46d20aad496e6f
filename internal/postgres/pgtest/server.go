package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a server; the zero value is a plain one with initdb's defaults.
type Options struct {
	// InitdbArguments in place of plain ones; --pgdata is added.
	InitdbArguments []string
	// Copy is a data directory to start from in place of initdb's, of a server that was shut down; "" for none.
	Copy string
	// Settings are given on the command line, over those in files.
	Settings map[string]string
	// Port in the socket's name, and for TCP where listen_addresses says so; 0 means 5432. FreePort finds one.
	Port int
	// Files are written into the data directory before the start, such as postgresql.conf.
	Files map[string]string
}

// Server is a running PostgreSQL.
type Server struct {
	Programs
	// Data is the data directory, Socket that of the local socket.
	Data, Socket string
	// Port on 127.0.0.1, and in the socket's name.
	Port int

	directory string
	settings  map[string]string
	command   *exec.Cmd
	// exited is closed when the postmaster is gone; exit then tells how.
	exited chan struct{}
	exit   error
	log    *os.File
}

// startTimeout is generous: the machine may be busy with other tests.
const startTimeout = 2 * time.Minute

// place is where servers live: in memory where there is room, since file systems are slow at making and removing thousands
// of small files again and again (ext4 spends most of a test's time on it), else /tmp. Both are the same inside a root file system.
func place() string {
	const memory, room = "/dev/shm", 2 << 30
	var stat syscall.Statfs_t
	if err := syscall.Statfs(memory, &stat); err != nil || stat.Bavail*uint64(stat.Bsize) < room {
		return "/tmp"
	}
	return memory
}

// Start makes a database system in a new directory below /dev/shm or /tmp and starts it. Anybody on the machine may
// log in over the local socket as anybody, unless Files has another pg_hba.conf.
func Start(ctx context.Context, programs Programs, options Options) (*Server, error) {
	directory, err := os.MkdirTemp(place(), "pg")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Programs: programs, directory: directory, Port: options.Port,
		Data: filepath.Join(directory, "data"), Socket: filepath.Join(directory, "socket"),
		settings: map[string]string{
			"listen_addresses":        "",
			"unix_socket_directories": filepath.Join(directory, "socket"),
			// A test's data need not survive a power failure.
			"fsync": "off",
		},
	}
	maps.Copy(s.settings, options.Settings)
	if s.Port == 0 {
		s.Port = 5432
	}
	if err := s.prepare(ctx, options); err != nil {
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	if err := s.Boot(ctx); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// makeDirectories makes the directories, for the server alone.
func (s *Server) makeDirectories() error {
	for _, directory := range []string{s.directory, s.Data, s.Socket} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return err
		}
		if err := os.Chown(directory, s.uid, s.gid); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the directories and runs initdb.
func (s *Server) prepare(ctx context.Context, options Options) error {
	if err := s.makeDirectories(); err != nil {
		return err
	}
	if err := s.fill(ctx, options); err != nil {
		return err
	}
	for name, content := range options.Files {
		if err := s.WriteFile(name, content); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the data directory.
func (s *Server) fill(ctx context.Context, options Options) error {
	if options.Copy != "" {
		if err := os.CopyFS(s.Data, os.DirFS(options.Copy)); err != nil {
			return fmt.Errorf("copying %s: %w", options.Copy, err)
		}
		return filepath.WalkDir(s.Data, func(path string, entry fs.DirEntry, err error) error {
			mode := os.FileMode(0o600)
			if err == nil && entry.IsDir() {
				mode = 0o700
			}
			return errors.Join(err, os.Chmod(path, mode), os.Chown(path, s.uid, s.gid))
		})
	}
	arguments := options.InitdbArguments
	if arguments == nil {
		arguments = []string{"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"}
	}
	_, err := s.Run(ctx, "initdb", append(slices.Clone(arguments), "--pgdata="+s.Data, "--no-sync")...)
	return err
}

// WriteFile writes a file in the data directory, readable by the server alone.
func (s *Server) WriteFile(name, content string) error {
	path := filepath.Join(s.Data, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Chown(path, s.uid, s.gid)
}

// Set changes a setting of the command line, from the next Boot on.
func (s *Server) Set(name, value string) { s.settings[name] = value }

// Boot starts the server and returns when it accepts connections on its socket.
func (s *Server) Boot(ctx context.Context) error {
	if err := s.Launch(ctx); err != nil {
		return err
	}
	return s.waitUntilReady(ctx)
}

// Launch starts the server and does not wait for anything: it may never accept connections.
func (s *Server) Launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.directory, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	arguments := []string{"-D", s.Data, "-p", strconv.Itoa(s.Port)}
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		arguments = append(arguments, "-c", name+"="+s.settings[name])
	}
	// Not bound to ctx: the server outlives its start, and Stop ends it.
	s.command = s.Command(context.WithoutCancel(ctx), "postgres", arguments...)
	s.command.Stdout, s.command.Stderr = log, log
	s.command.Env = append(s.command.Env, "PGSERVICEFILE="+s.ServiceFile())
	if err := s.command.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	s.log, s.exited = log, make(chan struct{})
	go func(command *exec.Cmd, exited chan<- struct{}) {
		s.exit = command.Wait()
		close(exited)
	}(s.command, s.exited)
	return nil
}

func (s *Server) waitUntilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := s.Connect(ctx, "postgres", "postgres")
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			return fmt.Errorf("PostgreSQL %s ended while starting: %w\n%s", s.Major, s.exit, s.Log())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL %s does not accept connections: %w\n%s", s.Major, err, s.Log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Connect opens a connection over the local socket.
func (s *Server) Connect(ctx context.Context, user, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Database = s.Socket, uint16(s.Port), user, database
	config.ConnectTimeout = 20 * time.Second
	// As the instance manager's connections are: parameters are of the types that Go's values have.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	return pgx.ConnectConfig(ctx, config)
}

// Log is what the server has printed.
func (s *Server) Log() string {
	content, err := os.ReadFile(filepath.Join(s.directory, "log"))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// ServiceFile is the libpq service file that the server's own connections read, such as that of a primary_conninfo
// "service=leader". It exists once a test writes it.
func (s *Server) ServiceFile() string { return filepath.Join(s.directory, "service.conf") }

// Chown gives a file to the user that the server runs as.
func (p Programs) Chown(path string) error { return os.Chown(path, p.uid, p.gid) }

// PID of the postmaster.
func (s *Server) PID() int { return s.command.Process.Pid }

// Running tells whether the postmaster runs; it may end by itself.
func (s *Server) Running() bool {
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Reload makes the server read its files again; it does so a moment later.
func (s *Server) Reload() error { return s.command.Process.Signal(syscall.SIGHUP) }

// Stop stops the server in fast mode and returns when it is gone.
func (s *Server) Stop() error { return s.end(syscall.SIGINT) }

// Crash stops the server in immediate mode: nothing is written any more, and the next Boot recovers.
func (s *Server) Crash() error { return s.end(syscall.SIGQUIT) }

// Kill kills the postmaster alone; its children notice by themselves, soon after.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) error {
	if s.command == nil {
		return nil
	}
	command := s.command
	s.command = nil
	if err := command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.exited:
	case <-time.After(startTimeout):
		_ = command.Process.Signal(syscall.SIGQUIT)
		<-s.exited
	}
	return s.log.Close()
}

// Remove stops the server and removes its directory.
func (s *Server) Remove() error { return errors.Join(s.Stop(), os.RemoveAll(s.directory)) }
