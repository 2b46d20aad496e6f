package sim

import "slices"

// Server is a postmaster with its processes. It ends with them: what is needed afterwards is in its Data.
type Server struct {
	Data *Data
	// Recovery: it replays, and takes no writes.
	Recovery bool
	// Replayed is how many records recovery has replayed; all of them on a primary.
	Replayed int
	// Open: pg_hba.conf admits clients.
	Open bool
	// Stopping: a fast stop is under way, and new connections are refused.
	Stopping bool
	// Receiver is its walreceiver, nil for none.
	Receiver *Receiver

	writer  int
	senders []*Sender
	// setting is what a new session is shown. Checkpointer and walsenders have their own copies, and take a new one when they
	// come to it.
	setting Setting
	stopped bool
	// waits: commits wait at all. The checkpointer says so, for all backends.
	waits bool
	// stale: the checkpointer has not taken the setting yet.
	stale   bool
	waiting []*Commit
}

// Commit of a client.
type Commit struct {
	Position int
	Record   Record
	// Acknowledged to the client, and visible to others.
	Acknowledged bool
}

// Start runs a server on data. A primary recovers what is on disk before anything else, along the timeline in pg_control: what
// was written on a later one is not seen, and written over. A standby replays while it runs, along all. writer is a number
// that no other server in this world has.
func Start(data *Data, writer int) *Server {
	s := &Server{Data: data, Recovery: data.StandbySignal, writer: writer, setting: data.Setting.copy(), waits: !data.Setting.empty()}
	data.ShutDown = false
	if !s.Recovery {
		data.WAL = slices.DeleteFunc(data.WAL, func(r Record) bool { return r.Timeline > data.Timeline })
		s.Replayed = len(data.WAL)
	}
	return s
}

// Stop ends it with all its processes: whoever waited for a commit does not learn its fate.
func (s *Server) Stop() {
	s.stopped, s.waiting, s.Receiver = true, nil, nil
	for _, sender := range s.senders {
		sender.ended = true
	}
	s.senders = nil
}

// StopFast ends all clients, cancelling their waits, and writes the shutdown checkpoint. Walsenders go on until their standbys have it, and the
// archiver until it has done.
func (s *Server) StopFast() {
	if s.Stopping {
		return
	}
	s.Stopping, s.Open, s.waiting = true, false, nil
	s.insert(Record{Timeline: s.timeline(), Writer: s.writer})
	s.Data.ShutDown = true
}

// Replay one record more; false where there is none.
func (s *Server) Replay() bool {
	if !s.Recovery || s.Replayed >= len(s.Data.WAL) {
		return false
	}
	s.Replayed++
	return true
}

// Consistent tells that recovery has come far enough for the data to make sense.
func (s *Server) Consistent() bool { return s.Replayed >= s.Data.ConsistentAt }

// BeginPromotion writes the history file of the timeline that it takes: the next number that has none yet, from the one that placeholders lead to.
// Nothing else says so yet, and a crash leaves it there.
func (s *Server) BeginPromotion(timeline int64) (taken int64) {
	for taken = timeline; s.Data.Begun[taken]; {
		taken++
	}
	if s.Data.Begun == nil {
		s.Data.Begun = map[int64]bool{}
	}
	s.Data.Begun[taken] = true
	return taken
}

// EndRecovery is the rest of a promotion, up to where it writes its first record on the timeline that it took. standby.signal is gone before
// pg_control is on that timeline: a crash in between leaves a server that would start writable on the old one. Checkpoint ends that.
func (s *Server) EndRecovery(taken int64) {
	s.Recovery, s.Data.StandbySignal = false, false
	s.Replayed = len(s.Data.WAL)
	s.insert(Record{Timeline: taken, Writer: s.writer})
}

// Checkpoint puts pg_control onto the timeline that is written, and makes the checkpointer take the setting.
func (s *Server) Checkpoint() {
	if !s.Recovery {
		s.Data.Timeline = s.Data.LastTimeline()
	}
	s.takeSetting()
}

// timeline that a primary writes on.
func (s *Server) timeline() int64 { return max(s.Data.Timeline, s.Data.LastTimeline()) }

func (s *Server) insert(record Record) {
	s.Data.WAL = append(s.Data.WAL, record)
	s.Replayed = len(s.Data.WAL)
}

// Write is a client's transaction, up to where it has flushed its commit here. It is acknowledged at once where commits wait for nobody.
func (s *Server) Write(value int) *Commit {
	commit := &Commit{Position: len(s.Data.WAL), Record: Record{Timeline: s.timeline(), Writer: s.writer, Value: value}}
	s.insert(commit.Record)
	if s.waits {
		s.waiting = append(s.waiting, commit)
	} else {
		commit.Acknowledged = true
	}
	return commit
}

// Configure writes the setting to postgresql.conf, and reloads: new sessions see it from now on, and no other process yet.
func (s *Server) Configure(setting Setting) {
	s.Data.Setting, s.setting = setting.copy(), setting.copy()
	s.stale = true
	for _, sender := range s.senders {
		sender.stale = true
	}
}

// Shown is what a new session sees.
func (s *Server) Shown() Setting { return s.setting.copy() }

// TakeReload lets one of the processes that have not yet taken the setting do so; which one is the caller's to choose. It returns how many
// there were.
func (s *Server) TakeReload(choose func(n int) int) int {
	var processes []func()
	if s.stale {
		processes = append(processes, s.takeSetting)
	}
	for _, sender := range s.senders {
		if sender.stale {
			processes = append(processes, sender.takeSetting)
		}
	}
	if len(processes) > 0 {
		processes[choose(len(processes))]()
	}
	return len(processes)
}

// takeSetting is the checkpointer's: from then on commits wait, or do not; and one that emptied it lets all go that wait.
func (s *Server) takeSetting() {
	s.stale, s.waits = false, !s.setting.empty()
	if !s.waits {
		s.release(len(s.Data.WAL))
	}
}

// Effective tells that no process is left that would release a commit under a former setting.
func (s *Server) Effective() bool {
	return !s.stale && !slices.ContainsFunc(s.senders, func(sender *Sender) bool { return sender.stale })
}

// release acknowledges what waits for this many records or fewer.
func (s *Server) release(records int) {
	s.waiting = slices.DeleteFunc(s.waiting, func(commit *Commit) bool {
		commit.Acknowledged = commit.Position < records
		return commit.Acknowledged
	})
}
