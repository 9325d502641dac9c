// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestACancelledQuestionEndsAtOnce(t *testing.T) {
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	r := Resolver{Servers: []netip.AddrPort{netip.MustParseAddrPort(silent.LocalAddr().String())}, Timeout: time.Hour}
	go func() {
		silent.ReadFrom(make([]byte, 512))
		cancel(stopped)
	}()
	if _, err := r.Resolve(ctx, channel, nil); err != stopped {
		t.Errorf("got %v, want %v", err, stopped)
	}
}

// answerUDP answers each question that arrives, until the test ends.
func answerUDP(t *testing.T, answers func(query []byte, from netip.AddrPort) [][]byte) Resolver {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { conn.Close(); wg.Wait() })
	wg.Go(func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			for _, a := range answers(b[:n], from) {
				conn.WriteToUDPAddrPort(a, from)
			}
		}
	})
	return Resolver{Servers: []netip.AddrPort{conn.LocalAddr().(*net.UDPAddr).AddrPort()}, Timeout: 300 * time.Millisecond}
}

// reply answers a query with records, under another id if forged.
func reply(t *testing.T, query []byte, change func(*dnsmessage.Message)) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		t.Error(err)
	}
	if !m.RecursionDesired || len(m.Questions) != 1 || len(m.Additionals) != 1 || m.Additionals[0].Header.Class != payloadSize {
		t.Errorf("a query of %+v", m)
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if m.Questions[0].Type == dnsmessage.TypeSRV {
		m.Answers = []dnsmessage.Resource{resource(service+channel, 60, srv(1, 1, "a"))}
	} else if m.Questions[0].Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{resource("a", 60, address("192.0.2.1"))}
	}
	change(&m)
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

func TestForgedAnswersDoNotStandInForTheRightOne(t *testing.T) {
	forged := address("192.0.2.66")
	r := answerUDP(t, func(query []byte, _ netip.AddrPort) [][]byte {
		forge := func(change func(*dnsmessage.Message)) []byte {
			return reply(t, query, func(m *dnsmessage.Message) {
				m.Answers = []dnsmessage.Resource{resource("a", 60, forged)}
				change(m)
			})
		}
		return [][]byte{
			[]byte("junk"),
			forge(func(m *dnsmessage.Message) { m.ID++ }),
			forge(func(m *dnsmessage.Message) {
				m.Questions[0].Name = dnsmessage.MustNewName("a.")
				m.Questions[0].Class = 3
			}),
			forge(func(m *dnsmessage.Message) { m.Response = false }),
			reply(t, query, func(*dnsmessage.Message) {}),
		}
	})
	p, err := r.Resolve(t.Context(), channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantLevels(t, p, "1 a 192.0.2.1 1")
}

func TestEveryQuestionHasItsOwnPortAndID(t *testing.T) {
	// "Each question has a random id and comes from a random port." spec.md 8.3
	type origin struct{ id, port string }
	seen := make(chan origin, 100)
	r := answerUDP(t, func(query []byte, from netip.AddrPort) [][]byte {
		seen <- origin{string(query[:2]), fmt.Sprint(from.Port())}
		return [][]byte{reply(t, query, func(*dnsmessage.Message) {})}
	})
	for range 8 {
		if _, err := r.Resolve(t.Context(), channel, nil); err != nil {
			t.Fatal(err)
		}
	}
	ids, ports := make(map[string]bool), make(map[string]bool)
	for range 32 {
		o := <-seen
		ids[o.id], ports[o.port] = true, true
	}
	if len(ids) < 30 || len(ports) < 30 { // two pairs may be the same by chance
		t.Errorf("%d different ids and %d different ports in 32 questions", len(ids), len(ports))
	}
}

func TestTCPThatEndsEarlyIsSaid(t *testing.T) {
	r := answerUDP(t, func(query []byte, _ netip.AddrPort) [][]byte {
		return [][]byte{reply(t, query, func(m *dnsmessage.Message) { m.Truncated = true })}
	})
	l, err := net.Listen("tcp", r.Servers[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 20))
			c.Write([]byte{0xff, 0xff, 1, 2, 3})
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	if _, err := r.Resolve(t.Context(), channel, nil); err == nil || !strings.Contains(err.Error(), "closed the connection without an answer") {
		t.Errorf("got %v", err)
	}
}

// A followed is a running Follow.
type followed struct {
	t    *testing.T
	told chan string
}

// startFollowing follows the channel, and hears nothing, until the test ends.
func startFollowing(t *testing.T, r Resolver, failover time.Duration) followed {
	fl := followed{t, make(chan string, 100)}
	ctx, cancel := context.WithCancelCause(context.Background())
	stopped, done := errors.New("stopped"), make(chan error)
	go func() {
		done <- r.Follow(ctx, channel, FollowOptions{
			Failover: failover,
			Heard:    func() uint64 { return 0 },
			Listen:   func(_ *Plan, l Level) error { fl.told <- l.String(); return nil },
			Failed:   func(err error, again time.Duration) { fl.told <- fmt.Sprintf("failed, again in %v", again) },
		})
	}()
	t.Cleanup(func() {
		cancel(stopped)
		if err := <-done; err != stopped {
			t.Errorf("Follow ended with %v, want %v", err, stopped)
		}
	})
	return fl
}

// want waits for the next that Follow tells.
func (fl followed) want(what string) {
	fl.t.Helper()
	select {
	case got := <-fl.told:
		if got != what {
			fl.t.Fatalf("got %q, want %q", got, what)
		}
	case <-time.After(time.Minute):
		fl.t.Fatalf("not told in a minute: %s", what)
	}
}

func TestFollowTurnsToTheNextPriority(t *testing.T) {
	t.Parallel()
	r := answerUDP(t, func(query []byte, _ netip.AddrPort) [][]byte {
		return [][]byte{reply(t, query, func(m *dnsmessage.Message) {
			if m.Questions[0].Type == dnsmessage.TypeSRV {
				m.Answers = append(m.Answers, resource(service+channel, 60, srv(2, 1, "a")))
			}
		})}
	})
	fl := startFollowing(t, r, time.Second)
	for range 2 {
		fl.want("priority 1: a (192.0.2.1)")
		fl.want("priority 2: a (192.0.2.1)")
	}
}

func TestWhatCannotBeListenedToIsTriedAgain(t *testing.T) {
	var told []string
	failing := errors.New("no interface")
	w := following{core: NewFollower(0), opts: FollowOptions{
		Heard:  func() uint64 { return 0 },
		Listen: func(_ *Plan, l Level) error { told = append(told, l.String()); return failing },
		Failed: func(err error, again time.Duration) { told = append(told, fmt.Sprint(err, again)) },
	}}
	want := func(at time.Time, want ...string) {
		t.Helper()
		w.tick(at)
		if !slices.Equal(told, want) {
			t.Fatalf("told %q, want %q", told, want)
		}
		told = nil
	}
	now := time.Unix(1e9, 0)
	want(now)
	w.core.Ask(now)
	w.found(now, resolved{plan: planOf("a b")})
	first, second := w.core.Plan().Levels[0].String(), w.core.Plan().Levels[1].String()
	want(now, first, "no interface 5s")
	want(now.Add(5*time.Second - 1))
	want(now.Add(5*time.Second), first, "no interface 10s")
	want(now.Add(15*time.Second), first, "no interface 20s")
	want(now.Add(30*time.Second), second, "no interface 5s") // another one is tried at once
	failing = nil
	want(now.Add(59*time.Second), second)
	want(now.Add(60*time.Second), first)
	want(now.Add(61 * time.Second))
}
