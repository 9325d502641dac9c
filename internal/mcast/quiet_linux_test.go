// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// send writes so many datagrams of 1232 bytes.
func send(t testing.TB, c *Conn, n int) {
	t.Helper()
	if err := c.WriteSegments(make([]byte, n*1232), 1232); err != nil {
		t.Fatal(err)
	}
}

// poll reads until n datagrams were read.
func poll(t testing.TB, s *Socket, b *Batch, n int) {
	t.Helper()
	for n > 0 {
		if err := s.PollBatch(b); err != nil {
			t.Fatal(err)
		}
		n -= b.Len()
	}
}

// announced reports whether the runtime would wake a thread.
func (q *quietSocket) announced(t *testing.T) bool {
	t.Helper()
	n, failed := 0, error(nil)
	if err := q.raw.Control(func(epoll uintptr) {
		n, failed = unix.Poll([]unix.PollFd{{Fd: int32(epoll), Events: unix.POLLIN}}, 0)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return n > 0
}

// eventuallyAnnounced waits until the runtime would wake a thread.
func (q *quietSocket) eventuallyAnnounced(t *testing.T) bool {
	t.Helper()
	for range 2000 {
		if q.announced(t) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func TestASenderIsNotWokenByWhatHasLeft(t *testing.T) {
	// "Each datagram that has left" wakes no thread, unless the socket was full.
	c, _ := open(t, OffloadNever)
	if c.sys.quiet == nil {
		t.Skip("this system does not have epoll in epoll")
	}
	send(t, c, 200)
	if c.sys.quiet.announced(t) {
		t.Error("a thread would be woken, though the socket has room")
	}
	c.sys.quiet.raw.Control(func(epoll uintptr) { c.sys.quiet.arm(epoll, true) }) // as if it had been full
	if !c.sys.quiet.eventuallyAnnounced(t) {
		t.Error("a full socket is not waited for")
	}
	c.sys.full = true
	send(t, c, 1)
	if c.sys.quiet.announced(t) {
		t.Error("a thread would be woken, though the wait is over")
	}
}

func TestNobodyIsWokenWhileNobodyWaits(t *testing.T) {
	// "Datagrams wake a thread of this process only while somebody waits for them."
	c, s := open(t, OffloadNever)
	q, b := s.sys.quiet, NewBatch(8)
	q.raw.Control(func(epoll uintptr) { q.arm(epoll, true) })
	if send(t, c, 1); !q.eventuallyAnnounced(t) {
		t.Fatal("a datagram is not announced that somebody waits for")
	}
	poll(t, s, b, 1)
	if send(t, c, 1); q.announced(t) {
		t.Error("a datagram is announced that nobody waits for")
	}
	for n := 0; n < 1; n += b.Len() { // all the same, it is found
		if err := s.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArrivalsAreNotAnnouncedDuringAPause(t *testing.T) {
	c, s := open(t, OffloadNever)
	q, b := s.sys.quiet, NewBatch(8)
	for end := time.Now().Add(time.Minute); b.Pause() == 0; { // two datagrams within two pauses
		if time.Now().After(end) {
			t.Fatal("no pause between datagrams that come one after the other")
		}
		q.raw.Control(func(epoll uintptr) { q.arm(epoll, true) }) // as if it had had to wait
		send(t, c, 1)
		if err := s.ReadBatch(b); err != nil {
			t.Fatal(err)
		}
	}
	if q.armed {
		t.Error("arrivals are announced")
	}
}

func TestADatagramBetweenALookAndTheWaitIsFound(t *testing.T) {
	c, s := open(t, OffloadNever)
	q, b, looks := s.sys.quiet, NewBatch(8), 0
	s.sys.reading = b.messages.headers
	q.attempt = func(fd uintptr) bool {
		if looks++; looks == 1 {
			send(t, c, 1)
			for n := 0; n == 0; { // until it is there
				n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000)
			}
			return false
		}
		return s.recvmmsg(fd)
	}
	found := false
	q.raw.Control(func(epoll uintptr) { found = q.tryOrArm(epoll) })
	if !found || s.sys.n != 1 {
		t.Errorf("found %v, %d datagrams, want one that nobody announces", found, s.sys.n)
	}
}

func TestSystemsWithoutQuietSocketsReadAtOnce(t *testing.T) {
	makeQuiet = func(*net.UDPConn, uint32, func(uintptr) bool) (*quietSocket, error) { return nil, unix.ENOSYS }
	defer func() { makeQuiet = newQuietSocket }()
	c, s := open(t, OffloadNever)
	b, buf := NewBatch(8), make([]byte, 64*1232)
	for range 3 {
		exchange(t, c, s, buf, b)
		if b.Pause() != 0 {
			t.Errorf("a pause of %v, want none", b.Pause())
		}
	}
	if err := s.PollBatch(b); err != nil || b.Len() != 0 {
		t.Errorf("a look found %d datagrams (%v), want none", b.Len(), err)
	}
}

func TestNoDatagramIsOverlooked(t *testing.T) {
	// Reads that wait and looks take turns while somebody sends: one that waits for
	// a datagram that is there would wait forever.
	c, s := open(t, OffloadNever)
	const n = 3000
	go func() {
		for i := range n {
			c.WriteSegments(make([]byte, 100), 100)
			if i%10 == 0 {
				time.Sleep(time.Duration(i%7) * 100 * time.Microsecond)
			}
		}
	}()
	b := NewBatch(8)
	for got, turn := 0, 0; got < n; turn++ {
		read := s.ReadBatch
		if turn%3 == 0 {
			read = s.PollBatch
		}
		if err := read(b); err != nil {
			t.Fatal(err)
		}
		got += b.Len()
	}
}

func TestABatchTakesMoreDatagramsThatComeAlone(t *testing.T) {
	c, s := open(t, OffloadNever)
	b := NewBatch(8)
	want := len(b.messages.headers)
	if want == 8 {
		t.Skip("pages are as large as the longest run")
	}
	for range 2 * aloneAfter / 64 {
		send(t, c, 64)
		poll(t, s, b, 64)
	}
	for end := time.Now().Add(time.Minute); ; { // not all of them may be there at once
		send(t, c, 64)
		if err := s.PollBatch(b); err != nil {
			t.Fatal(err)
		}
		switch got, pause := b.Len(), b.Pause(); {
		case got == want && pause == 0:
			return
		case got == want || time.Now().After(end):
			t.Fatalf("%d datagrams and a pause of %v, want %d and none", got, pause, want)
		default:
			poll(t, s, b, 64-got)
		}
	}
}

func TestABatchTakesNoMoreMemoryForRuns(t *testing.T) {
	// "It takes 64 KiB of memory for each run at most."
	m := newMessages(2)
	if len(m.headers) == 2 {
		t.Skip("pages are as large as the longest run")
	}
	if got := len(m.room(true)); got != len(m.headers) {
		t.Errorf("%d messages alone, want %d", got, len(m.headers))
	}
	last := &m.buffers[len(m.buffers)-1]
	*last, m.beyond = 1, true
	if got := len(m.room(false)); got != 2 || *last != 0 || m.beyond {
		t.Errorf("%d messages, and the one before is %d; want 2 and that it is released", got, *last)
	}
	m.buffers[0] = 1
	if m.room(false); m.buffers[0] != 1 {
		t.Error("more was given back than is not used")
	}
}

func TestLooksCostNoAllocation(t *testing.T) {
	for name, offload := range map[string]Offload{"offload": OffloadAuto, "plain": OffloadNever} {
		t.Run(name, func(t *testing.T) {
			c, s := open(t, offload)
			b, buf := NewBatch(8), make([]byte, 64*1232)
			exchange := func() {
				if err := c.WriteSegments(buf, 1232); err != nil {
					t.Fatal(err)
				}
				poll(t, s, b, 64)
			}
			exchange() // grows b
			if got := testing.AllocsPerRun(20, exchange); got != 0 {
				t.Errorf("%v allocations for 64 datagrams, want 0", got)
			}
		})
	}
}

// BenchmarkReceive is the receiving half of an exchange: what it takes to read
// datagrams that are in the kernel's buffer.
func BenchmarkReceive(b *testing.B) {
	for name, offload := range map[string]Offload{"offload": OffloadAuto, "plain": OffloadNever} {
		for _, datagrams := range []int{1, 32, 512} {
			b.Run(fmt.Sprintf("%s/datagrams=%d", name, datagrams), func(b *testing.B) {
				c, s := open(b, offload)
				batch, buf := NewBatch(8), make([]byte, datagrams*1232)
				b.SetBytes(int64(len(buf)))
				b.ReportAllocs()
				var reading time.Duration
				for b.Loop() {
					if err := c.WriteSegments(buf, 1232); err != nil {
						b.Fatal(err)
					}
					began := time.Now()
					poll(b, s, batch, datagrams)
					reading += time.Since(began)
				}
				n := float64(b.N * datagrams)
				b.ReportMetric(float64(reading.Nanoseconds())/n, "ns/datagram")
				b.ReportMetric(n/reading.Seconds(), "datagrams/s")
			})
		}
	}
}
