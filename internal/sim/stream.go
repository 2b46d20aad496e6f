package sim

import (
	"cmp"
	"slices"
)

// Sender is a walsender: it releases commits by its own copy of the setting.
type Sender struct {
	// Name is the application_name of who receives. Slot is that of its instance's copy: nobody else can use it at the same time.
	Name    string
	Slot    string
	Flushed int

	server  *Server
	setting Setting
	stale   bool
	ended   bool
}

// Receiver is a walreceiver. What it has received it flushes at once, whatever the startup process is doing.
type Receiver struct {
	server *Server
	sender *Sender
}

// Connect starts a walreceiver that receives from another server, under a name. PostgreSQL refuses some whose history is another one,
// and has holes in that: here nobody is refused.
func (s *Server) Connect(from *Server, name string) {
	s.Disconnect()
	// Until the first reply nothing is known of what the receiver has.
	sender := &Sender{Name: name, server: from, setting: from.setting.copy()}
	from.senders = append(from.senders, sender)
	s.Receiver = &Receiver{server: s, sender: sender}
}

// Disconnect ends the walreceiver. The walsender at the other end may live on for a while: its connection is dead, and it does not know.
func (s *Server) Disconnect() { s.Receiver = nil }

// Connected tells that the server at the other end, and its walsender, are still there.
func (r *Receiver) Connected() bool { return !r.sender.ended }

// Receive takes one record more from the sender, if there is one, and flushes it. A receiver whose WAL differs from the sender's goes on
// at its own position, as PostgreSQL does where it does not see that: it looks at nothing but the numbers of timelines. Where
// these differ it takes nothing, and still replies with its own position.
func (r *Receiver) Receive() bool {
	have, there := len(r.server.Data.WAL), r.sender.server.Data.WAL
	if r.sender.ended || have >= len(there) || (have > 0 && there[have-1].Timeline != r.server.Data.LastTimeline()) {
		return false
	}
	r.server.Data.WAL = append(r.server.Data.WAL, there[have])
	return true
}

// Reply tells the sender how far the receiver has flushed, and lets it release commits.
func (r *Receiver) Reply() { r.sender.reply(len(r.server.Data.WAL)) }

func (w *Sender) reply(flushed int) {
	w.Flushed = flushed
	if w.ended || w.setting.empty() || !slices.Contains(w.setting.Names, w.Name) {
		return // it is no synchronous standby, as far as this walsender knows
	}
	var positions []int
	for _, sender := range w.server.senders {
		if slices.Contains(w.setting.Names, sender.Name) {
			positions = append(positions, sender.Flushed)
		}
	}
	if len(positions) < w.setting.Number {
		return
	}
	slices.SortFunc(positions, func(a, b int) int { return cmp.Compare(b, a) })
	w.server.release(positions[w.setting.Number-1])
}

func (w *Sender) takeSetting() { w.stale, w.setting = false, w.server.setting.copy() }

// Acknowledges tells whether a commit that is written now can be acknowledged as things are: by walsenders whose walreceiver is attached, or without any.
// A walsender releases by its own copy of the setting, and counts for others by what it was told last, which is beyond the end here if it follows another log.
func (s *Server) Acknowledges(attached func(*Sender) bool) bool {
	if s.Recovery || !s.Open || s.Stopping {
		return false
	}
	return !s.waits || slices.ContainsFunc(s.senders, func(releasing *Sender) bool {
		setting := releasing.setting
		if setting.empty() || !attached(releasing) || !slices.Contains(setting.Names, releasing.Name) {
			return false
		}
		confirm := 0
		for _, sender := range s.senders {
			if slices.Contains(setting.Names, sender.Name) && (attached(sender) || sender.Flushed > len(s.Data.WAL)) {
				confirm++
			}
		}
		return confirm >= setting.Number
	})
}

// Senders that run, dead connections included.
func (s *Server) Senders() []*Sender { return slices.Clone(s.senders) }

// Terminate a walsender; its receiver finds its connection closed.
func (s *Server) Terminate(sender *Sender) {
	s.senders = slices.DeleteFunc(s.senders, func(other *Sender) bool { return other == sender })
	sender.ended = true
}
