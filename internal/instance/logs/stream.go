package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// longestLine is the longest line that is passed on whole; what follows is a line of its own, as text.
const longestLine = 1 << 20

// Stream is PostgreSQL's log on its way to a sink.
type Stream struct {
	directory string
	sink      *Sink
	seen      func(Entry)
	now       func() time.Time

	json, text pipe

	mu       sync.Mutex
	activity time.Time
}

// pipe is one of the two, with the part of a line that was read.
type pipe struct {
	file    *os.File
	partial []byte
	done    chan struct{}
}

// Handover is what the next program image needs to go on reading where this one stopped.
type Handover struct {
	JSON        int    `json:"json"`
	JSONPartial []byte `json:"jsonPartial,omitempty"`
	Text        int    `json:"text"`
	TextPartial []byte `json:"textPartial,omitempty"`
}

// Open makes the pipes in directory and streams what comes out of them. seen is called with each entry that may matter, from another goroutine.
func Open(directory string, sink *Sink, seen func(Entry), now func() time.Time) (*Stream, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("making the log directory: %w", err)
	}
	jsonFile, err := openPipe(directory, jsonPipe)
	if err != nil {
		return nil, err
	}
	textFile, err := openPipe(directory, textPipe)
	if err != nil {
		return nil, errors.Join(err, jsonFile.Close())
	}
	s := &Stream{directory: directory, sink: sink, seen: seen, now: now, json: pipe{file: jsonFile}, text: pipe{file: textFile}}
	s.start()
	return s, nil
}

// TakeOver goes on with the pipes of the program image before this one.
func TakeOver(directory string, h Handover, sink *Sink, seen func(Entry), now func() time.Time) (*Stream, error) {
	jsonFile, err := inherited(h.JSON, jsonPipe)
	if err != nil {
		return nil, err
	}
	textFile, err := inherited(h.Text, textPipe)
	if err != nil {
		return nil, err
	}
	s := &Stream{directory: directory, sink: sink, seen: seen, now: now}
	s.json, s.text = pipe{file: jsonFile, partial: h.JSONPartial}, pipe{file: textFile, partial: h.TextPartial}
	s.start()
	return s, nil
}

func (s *Stream) start() {
	s.activity = s.now()
	s.json.done, s.text.done = make(chan struct{}), make(chan struct{})
	go s.read(&s.json, jsonLine, parse)
	go s.read(&s.text, textLine, textEntry)
}

// OpenOutput is where the server's standard output and error go. It is a description of its own: the one that is read
// from does not block, and a server would lose lines by that. The caller closes it once the server has it.
func (s *Stream) OpenOutput() (*os.File, error) {
	return os.OpenFile(filepath.Join(s.directory, textPipe), os.O_WRONLY|os.O_APPEND, 0)
}

// LastActivity is when PostgreSQL last wrote anything: a server in recovery that still writes makes progress.
func (s *Stream) LastActivity() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.activity
}

// HandOver stops reading and keeps the pipes open over exec; what PostgreSQL writes meanwhile waits in them.
func (s *Stream) HandOver() (Handover, error) {
	for _, p := range []*pipe{&s.json, &s.text} {
		if err := p.file.SetReadDeadline(time.Unix(1, 0)); err != nil {
			return Handover{}, fmt.Errorf("stopping to read the log: %w", err)
		}
		<-p.done
	}
	var h Handover
	var errJSON, errText error
	h.JSON, errJSON = keepOpen(s.json.file)
	h.Text, errText = keepOpen(s.text.file)
	h.JSONPartial, h.TextPartial = s.json.partial, s.text.partial
	return h, errors.Join(errJSON, errText)
}

// read passes on line by line until the pipe's deadline is set.
func (s *Stream) read(p *pipe, format func([]byte, time.Time) []byte, parse func([]byte) (Entry, bool)) {
	defer close(p.done)
	buffer := make([]byte, 16<<10)
	for {
		n, err := p.file.Read(buffer)
		p.partial = append(p.partial, buffer[:n]...)
		if n > 0 {
			s.pass(p, format, parse)
		}
		if err != nil {
			return // only by the deadline: the pipe is open for writing here too, so it has no end
		}
	}
}

func (s *Stream) pass(p *pipe, format func([]byte, time.Time) []byte, parse func([]byte) (Entry, bool)) {
	now := s.now()
	s.mu.Lock()
	s.activity = now
	s.mu.Unlock()
	for {
		line, rest, whole := bytes.Cut(p.partial, []byte{'\n'})
		if !whole && len(p.partial) < longestLine {
			p.partial = append([]byte(nil), p.partial...) // what was passed on is given back
			return
		}
		if len(line) > 0 && (p != &s.text || !isWorthless(line)) {
			entry, known := parse(line)
			if known {
				s.seen(entry)
			}
			if known && entry.atClosedGate() {
				p.partial = rest
				continue
			}
			_, _ = s.sink.Write(format(line, now)) // a sink never fails
		}
		p.partial = rest
	}
}
