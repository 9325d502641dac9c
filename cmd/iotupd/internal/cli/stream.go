// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

// A rank says how much of the room in a stream an entry may fill: entries that
// are repeated soon leave room for others.
type rank int

const (
	progressRank rank = 2 // half of it
	usualRank    rank = 3
	resultRank   rank = 4 // what a command was run for
)

// streamRoom is how many bytes may wait in a stream. It is more than a receiver with
// -vv prints in one go.
const streamRoom = 256 << 10

// A stream writes to a terminal, a pipe or a log, and nobody waits for that: a
// goroutine writes, which lives as long as there is something to write. Entries
// that do not fit are left out, and their number is printed in their place. Its
// methods may be called from any goroutine.
type stream struct {
	to  io.Writer
	gap func(missing int) string // an entry that stands for so many

	mu      sync.Mutex
	queue   []string
	bytes   int    // of queue
	missing int    // entries left out since the last one in queue
	live    string // line to draw when the queue is empty; empty: none
	drawn   bool   // a live line is on the screen
	writing bool   // a goroutine writes
	wrote   int    // entries
	turn    chan struct{}
	failed  error // the first failure, unless nobody reads any more
}

func newStream(to io.Writer, gap func(missing int) string) *stream {
	return &stream{to: to, gap: gap, turn: make(chan struct{})}
}

// put adds an entry, which may be empty: then it only removes the live line.
func (s *stream) put(r rank, entry string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = ""
	if len(s.queue) > 0 && s.bytes+len(entry) > streamRoom/int(resultRank)*int(r) {
		s.missing++
		return
	}
	s.fillGap()
	s.push(entry)
	s.start()
}

// fillGap appends the text that stands for missing entries. The caller holds
// s.mu.
func (s *stream) fillGap() {
	if s.missing > 0 {
		s.push(s.gap(s.missing))
		s.missing = 0
	}
}

func (s *stream) push(entry string) {
	s.queue, s.bytes = append(s.queue, entry), s.bytes+len(entry)
}

// draw shows a line in place of the last one that it drew.
func (s *stream) draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = line
	s.start()
}

// clear removes the live line.
func (s *stream) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = ""
	if s.drawn {
		s.push("")
		s.start()
	}
}

// start has a goroutine write. The caller holds s.mu.
func (s *stream) start() {
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

// write writes until nothing waits.
func (s *stream) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		text, more := s.next()
		if !more {
			break
		}
		s.mu.Unlock()
		var err error
		if text != "" {
			_, err = s.to.Write([]byte(text))
		}
		s.mu.Lock()
		if err != nil && s.failed == nil && !errors.Is(err, syscall.EPIPE) {
			s.failed = err
		}
		s.wrote++
		s.signal()
	}
	s.writing = false
	s.signal()
}

// next returns what to write now. The caller holds s.mu.
func (s *stream) next() (text string, more bool) {
	if len(s.queue) == 0 {
		s.fillGap()
	}
	switch {
	case len(s.queue) > 0:
		text, s.queue = s.queue[0], s.queue[1:]
		s.bytes -= len(text)
		if s.drawn {
			text, s.drawn = "\r\x1b[K"+text, false
		}
	case s.live != "":
		text, s.live, s.drawn = "\r"+s.live+"\x1b[K", "", true
	default:
		return "", false
	}
	return text, true
}

// signal wakes who waits for entries to be written. The caller holds s.mu.
func (s *stream) signal() {
	close(s.turn)
	s.turn = make(chan struct{})
}

// state returns how many entries were written, whether all are, and a channel that is
// closed when that changes.
func (s *stream) state() (wrote int, done bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrote, !s.writing, s.turn
}

// A readerTimeout is how long to wait for a reader.
type readerTimeout struct {
	each time.Duration // for an entry
	all  time.Duration
}

// flush waits until all is written, but not longer than p; zero is any time. It reports
// whether all is.
func (s *stream) flush(p readerTimeout) bool {
	var all, each <-chan time.Time // nil: any time
	last := -1
	if p.all > 0 {
		all = time.After(p.all)
	}
	for {
		wrote, done, changed := s.state()
		if done {
			return true
		}
		if wrote != last && p.each > 0 {
			each = time.After(p.each)
		}
		last = wrote
		select {
		case <-changed:
		case <-each:
			if now, _, _ := s.state(); now == last {
				return false
			}
		case <-all:
			return false
		}
	}
}

// waitForRoom waits until a result fits.
func (s *stream) waitForRoom() {
	for {
		s.mu.Lock()
		bytes, changed := s.bytes, s.turn
		s.mu.Unlock()
		if bytes <= streamRoom/2 {
			return
		}
		<-changed
	}
}

// failure returns why not all could be written.
func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Say prints a text outside of an [Output]. A terminal that takes nothing is waited
// for only for a while.
func Say(w io.Writer, format string, args ...any) { say(w, closing, format, args...) }

func say(w io.Writer, p readerTimeout, format string, args ...any) {
	s := newStream(w, missingLines)
	s.put(resultRank, fmt.Sprintf(format, args...))
	s.flush(p)
}
