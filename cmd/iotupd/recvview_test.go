// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/diagnose"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

// A patient is a receiver's view on the loopback interface, with nothing to
// hear but what a test says.
type patient struct {
	*screen
	view *recvView
	at   time.Duration // since the start
}

func newPatient(t *testing.T, opts recvOptions) *patient {
	t.Helper()
	s := newScreen(t, cli.OutputOptions{Progress: "none"})
	cfg := multicast.Config{
		Groups: []netip.Addr{netip.MustParseAddr("239.255.77.78")}, Port: freePort(t), Interfaces: []string{loopback()},
	}
	l, err := multicast.Listen(cfg)
	check(t, err)
	t.Cleanup(func() { l.Close() })
	v := newRecvView(opts, s.Output, l)
	v.start, v.idle, v.heard, v.silence = epoch, epoch, epoch, newSilence(epoch)
	return &patient{screen: s, view: v}
}

// until reports the same status five times a second, and returns the first
// error.
func (p *patient) until(at time.Duration, s receiver.Status) error {
	for ; p.at <= at; p.at += 200 * time.Millisecond {
		if err := p.view.report(epoch.Add(p.at), s); err != nil {
			return err
		}
	}
	return nil
}

func (p *patient) wantError(err error, code int, text string) {
	p.Helper()
	(&delivery{T: p.T}).wantError(err, code, text)
}

func receiving(packets, held uint64) receiver.Status {
	return receiver.Status{Progress: receiver.Progress{Data: packets, Held: held, Needed: 100}}
}

func TestTimeoutIsForTheStartOnly(t *testing.T) {
	p := newPatient(t, recvOptions{timeout: 3 * time.Second})
	check(t, p.until(2900*time.Millisecond, receiver.Status{}))
	p.wantError(p.until(3*time.Second, receiver.Status{}), cli.ExitSilence, "nothing was heard within 3 s on "+loopback())

	p = newPatient(t, recvOptions{timeout: 3 * time.Second})
	check(t, p.until(2*time.Second, receiver.Status{}))
	check(t, p.until(20*time.Second, receiving(1, 1)))
}

func TestStallIsForTheMiddleOnly(t *testing.T) {
	p := newPatient(t, recvOptions{stall: 3 * time.Second})
	check(t, p.until(20*time.Second, receiver.Status{}))
	check(t, p.until(22*time.Second, receiving(5, 4)))
	check(t, p.until(24*time.Second, receiving(6, 4))) // a duplicate is a sign of life
	err := p.until(30*time.Second, receiving(6, 4))
	p.wantError(err, cli.ExitIncomplete, "the stream has been silent for 3 s, with 4 of 100 shards at hand; the next run starts over, since no digests were heard")

	p = newPatient(t, recvOptions{stall: 3 * time.Second})
	p.view.collected = epoch // what remains is local work
	check(t, p.until(20*time.Second, receiving(100, 100)))
}

func TestStallIsForEveryAttempt(t *testing.T) {
	p := newPatient(t, recvOptions{stall: 3 * time.Second})
	check(t, p.until(time.Second, receiving(100, 100)))
	p.view.held, p.view.collected = true, epoch.Add(p.at)
	check(t, p.until(20*time.Second, receiving(100, 100)))
	p.view.observe(epoch.Add(p.at), receiver.Corrupt{Attempt: 1})
	check(t, p.until(22*time.Second, receiving(100, 0)))
	p.wantError(p.until(30*time.Second, receiving(100, 0)), cli.ExitIncomplete, "silent for 3 s, with 0 of 100 shards at hand")
}

func TestSilenceIsExplainedAgainAndAgain(t *testing.T) {
	p := newPatient(t, recvOptions{})
	p.stderr.Reset()
	check(t, p.until(4800*time.Millisecond, receiver.Status{}))
	p.want("", "")
	check(t, p.until(5*time.Second, receiver.Status{}))
	first := p.stderr.String()
	if !strings.HasPrefix(first, "nothing has arrived for 5 s; still listening on "+loopback()+fmt.Sprintf(" for 239.255.77.78, port %d\nwarning: ", p.view.listener.Place().Port)) {
		t.Errorf("got %q", first)
	}
	p.stderr.Reset()
	check(t, p.until(34800*time.Millisecond, receiver.Status{}))
	p.want("", "")
	check(t, p.until(35*time.Second, receiver.Status{}))
	if again := p.stderr.String(); !strings.HasPrefix(again, "nothing has arrived for 35 s; ") {
		t.Errorf("got %q", again)
	}

	// Packets start it anew.
	p.stderr.Reset()
	heard := p.at
	check(t, p.until(heard+4800*time.Millisecond, receiving(1, 1)))
	p.want("", "")
	check(t, p.until(heard+5*time.Second, receiving(1, 1)))
	if again := p.stderr.String(); !strings.HasPrefix(again, "nothing has arrived for 5 s; ") {
		t.Errorf("got %q", again)
	}
}

func TestRefusedPacketsAreNamedInASilence(t *testing.T) {
	p := newPatient(t, recvOptions{})
	check(t, p.until(0, receiver.Status{Ignored: map[proto.Reason]uint64{proto.ReasonMagic: 5}}))
	check(t, p.until(5*time.Second, receiver.Status{Ignored: map[proto.Reason]uint64{proto.ReasonMagic: 500}}))
	if got := p.stderr.String(); !strings.Contains(got, "495 packets refused on arrival") || !strings.Contains(got, "["+diagnose.ForeignPackets+"]") {
		t.Errorf("got %q, want that 495 packets were refused", got)
	}
}

// "Layer 0 is received in any case": layers.Config.MaxRate.
func TestALowestLayerOverTheLimitIsToldOnce(t *testing.T) {
	for _, test := range []struct {
		limit quantity.Rate
		p     proto.Path
		warns int
	}{
		{1e6, proto.Path{Rate: proto.RateCodeOf(20e6)}, 1},
		{20e6, proto.Path{Rate: proto.RateCodeOf(20e6)}, 0},
		{19e6, proto.Path{Rate: proto.RateCodeOf(19e6)}, 0}, // which is stated as a little more
		{0, proto.Path{Rate: proto.RateCodeOf(20e6)}, 0},
		{1e6, proto.Path{}, 0}, // not stated
		{1e6, proto.Path{Layer: 1, Rate: proto.RateCodeOf(20e6)}, 0},
	} {
		p := newPatient(t, recvOptions{layerOptions: layerOptions{layers: "auto", maxRate: test.limit}})
		p.stderr.Reset()
		stream := receiver.Stream{Layer: test.p.Layer, Rate: test.p.Rate}
		p.view.hear(epoch, []receiver.Heard{{Stream: &stream}, {Stream: &stream}})
		p.view.hear(epoch, []receiver.Heard{{Stream: &stream}})
		if got := p.stderr.String(); strings.Count(got, "[max-rate]") != test.warns {
			t.Errorf("limit %v, %+v: got %q, want %d warnings", test.limit, test.p, got, test.warns)
		}
	}
}

// A droppingHearing is one whose sockets overflow.
type droppingHearing struct {
	multicast.Listener
	stats multicast.Stats
}

func (h droppingHearing) Stats() multicast.Stats { return h.stats }

func TestWhatToDoAboutOwnDropsFitsTheirCause(t *testing.T) {
	reported := 1 // times what was granted
	if runtime.GOOS == "linux" {
		reported = 2
	}
	for _, test := range []struct {
		granted, asked int
		fix            string
	}{
		{208 << 10, 32 << 20, "buffer of 208.0 KiB too small [own-drops]\n  try: sysctl -w net.core.rmem_max=33554432 "},
		{4 << 10, 4 << 10, "buffer of 4.0 KiB too small [own-drops]\n  try: iotupd recv --receive-buffer 32M "},
		{32 << 20, 32 << 20, "buffer of 32.0 MiB too small [own-drops]\n  try: iotupd send --rate RATE FILE "},
	} {
		p := newPatient(t, recvOptions{buffer: quantity.Size(test.asked)})
		p.view.listener = droppingHearing{p.view.listener, multicast.Stats{KernelDrops: 7, ReceiveBuffer: reported * test.granted}}
		p.view.checkBuffer()
		if got := p.stderr.String(); !strings.Contains(got, test.fix) {
			t.Errorf("%d of %d bytes granted: got %q, want %q", test.granted, test.asked, got, test.fix)
		}
	}
}

func TestRise(t *testing.T) {
	got := rise(map[proto.Reason]uint64{"a": 3, "b": 2, "c": 1}, map[proto.Reason]uint64{"a": 1, "b": 2})
	if len(got) != 2 || got["a"] != 2 || got["c"] != 1 {
		t.Errorf("got %v, want a: 2, c: 1", got)
	}
}

func TestDisplayName(t *testing.T) {
	named := &proto.Manifest{Name: "sent.bin"}
	tests := []struct {
		m    *proto.Manifest
		path string
		want string
	}{
		{named, "/tmp/fw.bin", "/tmp/fw.bin"},
		{named, "-", "sent.bin"},
		{named, "", "sent.bin"},
		{&proto.Manifest{}, "", "(no name)"},
		{nil, "", "(no name)"},
	}
	for _, test := range tests {
		if got := displayName(test.m, test.path); got != test.want {
			t.Errorf("%+v: got %q, want %q", test, got, test.want)
		}
	}
}
