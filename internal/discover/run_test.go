// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// questions are those for a channel with a sender a, as keys of zone.broken.
var questions = []string{"TypeSRV " + service + channel, "TypeTXT " + service + channel, "TypeAAAA a", "TypeA a"}

func TestACancelledQuestionEndsAtOnce(t *testing.T) {
	for _, question := range questions {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		z := oneSender(t)
		z.broken[question], z.silent = true, func() { cancel(stopped) }
		r := z.resolver()
		r.Timeout = time.Hour
		if _, err := r.Resolve(ctx, channel, nil); err != stopped {
			t.Errorf("%s: got %v, want %v", question, err, stopped)
		}
	}
}

func TestAServerHasItsTimeAndNoMore(t *testing.T) {
	oneSender(t).plan(nil) // package net has state that must not belong to a bubble
	for _, question := range questions {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var asked atomic.Int64
			z := newZone(t).add(service+channel, srv(1, 1, "a"))
			z.broken[question], z.silent = true, func() { asked.Add(1) }
			r := z.resolver()
			r.Timeout = 500 * time.Millisecond // less than any resolv.conf can ask for
			_, err := r.Resolve(t.Context(), channel, nil)
			record, name, _ := strings.Cut(question[len("Type"):], " ")
			want := fmt.Sprintf("name server 192.0.2.53:53, asked for %s of %s: no answer within 500ms", record, name)
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if took := time.Since(begin); asked.Load() != 2 || took != time.Second {
				t.Errorf("%s: asked %d times in %v, want twice for 500ms each", question, asked.Load(), took)
			}
		})
	}
}

func TestAResolutionEndsAfterAMinute(t *testing.T) {
	oneSender(t).plan(nil) // as above
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t)
		z.silent = func() {}
		for i := range maxHosts {
			host := fmt.Sprintf("host%d", i)
			z.add(service+channel, srv(1, 1, host)).broken[host] = true
		}
		begin := time.Now()
		_, err := z.resolver().Resolve(t.Context(), channel, nil)
		if took := time.Since(begin); err == nil || took != time.Minute {
			t.Errorf("got %v after %v, want an error after a minute", err, took)
		}
	})
}

// answering returns servers of which each is a zone, or an error to connect.
func answering(t *testing.T, servers ...any) (r Resolver, dialed *[]string) {
	dialed = new([]string)
	byAddress := make(map[string]any)
	for i, s := range servers {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 53)
		r.Servers = append(r.Servers, at)
		byAddress[at.String()] = s
	}
	r.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if n := len(*dialed); n == 0 || (*dialed)[n-1] != address {
			*dialed = append(*dialed, address) // package net asks again
		}
		switch s := byAddress[address].(type) {
		case *zone:
			return s.dial(ctx, network, address)
		case error:
			return nil, s
		}
		t.Errorf("%s is not a server", address)
		return nil, net.ErrClosed
	}
	return r, dialed
}

func TestTheServerThatAnswersIsAskedFirstThen(t *testing.T) {
	good := oneSender(t)
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	silent := newZone(t)
	silent.broken[service+channel] = true
	failing := newZone(t)
	failing.change = func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }

	r, dialed := answering(t, refused, silent, failing, good)
	p, err := r.Resolve(t.Context(), channel, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantLevels(t, p, "1 a 192.0.2.1 1")
	if got, want := strings.Join(*dialed, " "), "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 192.0.2.4:53"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}

	r, dialed = answering(t, refused, failing, silent)
	_, err = r.Resolve(t.Context(), channel, nil)
	if want := "name server 192.0.2.3:53, asked for SRV of _iotupd._udp.fw.example.net: no answer within 2s"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, want := strings.Join(*dialed, " "), "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53 192.0.2.1:53 192.0.2.2:53 192.0.2.3:53"; got != want {
		t.Errorf("asked %s, want each twice", got)
	}

	r, _ = answering(t, refused)
	_, err = r.Resolve(t.Context(), channel, nil)
	if want := "name server 192.0.2.1:53, asked for SRV of _iotupd._udp.fw.example.net: connection refused"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEveryQuestionHasItsOwnPortAndID(t *testing.T) {
	// "Each question has a random id and comes from a random port." spec.md 8.3
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	z := oneSender(t)
	ids, ports := make(map[string]bool), make(map[uint16]bool)
	var answering sync.WaitGroup
	answering.Go(func() {
		b := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			ids[string(b[:2])], ports[from.Port()] = true, true
			for _, a := range z.answer(b[:n], false) {
				conn.WriteToUDPAddrPort(a, from)
			}
		}
	})
	r := Resolver{Servers: []netip.AddrPort{conn.LocalAddr().(*net.UDPAddr).AddrPort()}, Timeout: time.Minute}
	for range 8 {
		if _, err := r.Resolve(t.Context(), channel, nil); err != nil {
			t.Error(err)
		}
	}
	conn.Close()
	answering.Wait()
	if z.asked.Load() != 32 || len(ids) < 30 || len(ports) < 30 { // two pairs may be the same by chance
		t.Errorf("%d different ids and %d different ports in %d questions", len(ids), len(ports), z.asked.Load())
	}
}
