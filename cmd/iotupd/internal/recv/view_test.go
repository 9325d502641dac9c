// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
	"iotupd/receiver/multicast"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A screen is a view that a test reads.
type screen struct {
	*testing.T
	*view
	stdout, stderr bytes.Buffer
}

func newScreen(t *testing.T, opts options) *screen {
	t.Helper()
	if opts.Progress == "" {
		opts.Progress, opts.Stats = "none", 10*time.Second
	}
	s := &screen{T: t}
	out := cli.NewOutput(t.Context(), opts.OutputOptions, cli.Stdio{Out: &s.stdout, Err: &s.stderr}, &s.stdout)
	t.Cleanup(func() { out.Close(nil) })
	s.view = newView(opts, out, nil)
	return s
}

// wantLines fails unless an event is shown so on stderr.
func (s *screen) wantLines(e agent.Event, want string) {
	s.Helper()
	s.stderr.Reset()
	s.observe(e)
	s.out.EndProgress()
	if got := s.stderr.String(); got != want {
		s.Errorf("%+v: got %q, want %q", e, got, want)
	}
}

func TestWhatIsRefusedIsShownWithWhatToDo(t *testing.T) {
	s := newScreen(t, options{})
	s.wantLines(agent.Rejected{Object: proto.ObjectID{1}, Name: "fw.bin", Reason: receiver.ReasonRollback},
		"warning: object 01000000... fw.bin is older than what was installed last or than --min-sequence, or is another file "+
			"with the same sequence number; sign it with a higher number, or take it by --allow-downgrade [rollback]\n")
	s.wantLines(agent.Rejected{Object: proto.ObjectID{2}, Reason: receiver.ReasonSignature},
		"warning: object 02000000... is not signed by a key of --trust; if it should be, look at it by iotupd inspect [signature]\n")
	s.wantLines(agent.Rejected{Reason: receiver.ReasonTooLarge},
		"warning: the file that is sent here is larger than --max-size, or cut into so many groups that their index takes too much memory [too-large]\n")
	s.wantLines(agent.AlsoSent{Object: proto.ObjectID{3}}, "")
	s.wantLines(agent.OnlyOthers{Instead: agent.Instead{Reason: receiver.ReasonOtherObject, Others: []string{"other.bin"}}},
		"warning: only files other than the requested one are sent here: other.bin [other-object]\n"+
			"  try: iotupd inspect   # on the same channel: lists what is sent here\n")
}

func TestASilenceIsShown(t *testing.T) {
	s := newScreen(t, options{})
	place := multicast.Place{Interfaces: []string{"lo", "eth0"}, Groups: []netip.Addr{netip.MustParseAddr("239.255.77.78")}, Port: 4711}
	s.wantLines(agent.Silent{For: 5 * time.Second, Place: place, Causes: []agent.Cause{{Code: "link-down", Text: "no carrier", Fix: "ip link"}}},
		"nothing has arrived for 5 s; still listening on lo, eth0 for 239.255.77.78, port 4711\nwarning: no carrier [link-down]\n  try: ip link\n")
	s.wantLines(agent.Silent{For: 5 * time.Second}, "nothing can arrive, since no multicast group is joined yet; trying again\n")
}

func TestWhatToDoAboutOwnDropsFitsTheirCause(t *testing.T) {
	for _, test := range []struct {
		buffer, granted, asked int
		fix                    string
	}{
		{32 << 20, 704 << 10, 704 << 10, "buffer of 704.0 KiB too small [own-drops]\n  try: iotupd recv --memory SIZE "},
		{32 << 20, 208 << 10, 32 << 20, "buffer of 208.0 KiB too small [own-drops]\n  try: sysctl -w net.core.rmem_max=33554432 "},
		{4 << 10, 4 << 10, 4 << 10, "buffer of 4.0 KiB too small [own-drops]\n  try: iotupd recv --receive-buffer 32M "},
		{32 << 20, 32 << 20, 32 << 20, "buffer of 32.0 MiB too small [own-drops]\n  try: iotupd send --rate RATE FILE "},
	} {
		s := newScreen(t, options{buffer: quantity.Size(test.buffer)})
		s.observe(agent.OwnDrops{Drops: 7, Granted: test.granted, Wanted: test.asked})
		s.out.EndProgress()
		if got := s.stderr.String(); !strings.Contains(got, test.fix) {
			t.Errorf("%d of %d bytes granted: got %q, want %q", test.granted, test.asked, got, test.fix)
		}
	}
}

func TestStoppingReportsWhatWasHeard(t *testing.T) {
	other := agent.Instead{Reason: receiver.ReasonOtherObject, Others: []string{"other.bin"}}
	held := receiver.Status{Progress: receiver.Progress{Held: 1, Needed: 87}}
	tests := []struct {
		e    agent.Stopped
		want string
	}{
		{agent.Stopped{}, "stopped; nothing was heard\n"},
		{agent.Stopped{Instead: other}, "stopped; only files other than the requested one are sent here: other.bin\n"},
		{agent.Stopped{Instead: agent.Instead{Reason: receiver.ReasonUnsealed}}, "stopped; the file that is sent here is not sealed, and --group-key takes only what is\n"},
		{agent.Stopped{NoNewer: true, Instead: other}, "stopped; no newer release was heard\n"},
		{agent.Stopped{Status: held, NoNewer: true}, "stopped with 1 of 87 shards; the next run starts over, since no digests were heard\n"},
	}
	for _, test := range tests {
		newScreen(t, options{output: "fw.bin"}).wantLines(test.e, test.want)
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

// Manifests of which nothing is verified have any text for a version.
func TestTextsOfAManifestAreSafeToPrint(t *testing.T) {
	const evil = "1\u0080\u009b\u007f\u200b\u202e\x1b[2J"
	m := &proto.Manifest{Name: "fw.bin", Version: evil, Descriptor: proto.Descriptor{Params: proto.Params{K: 1, ShardSize: 64, Size: 64}}}
	for _, json := range []bool{true, false} {
		s := newScreen(t, options{OutputOptions: cli.OutputOptions{JSON: json}})
		s.observe(agent.Transfer{At: epoch, Event: receiver.Certified{Manifest: m}})
		s.observe(agent.AlreadyThere{File: &agent.Received{Manifest: m, Path: "/fw/fw.bin"}})
		s.observe(agent.CommandPrinted{Name: evil, Line: evil})
		s.observe(agent.Silent{Causes: []agent.Cause{{Code: "x", Text: evil}}})
		s.out.Close(nil) // flushes
		if got := s.stdout.String() + s.stderr.String(); got == "" || strings.ContainsAny(got, evil[1:len(evil)-3]) {
			t.Errorf("got %q", got)
		}
		if json && strings.Count(s.stdout.String(), `"version":"1`+strings.Repeat("\ufffd", 6)+`[2J"`) != 2 {
			t.Errorf("got %s", &s.stdout)
		}
	}
}

func TestWhatSomebodyDidToThePlaceOfAFileHasACode(t *testing.T) {
	for code, err := range map[string]error{
		"directory-moved": filestore.ErrMoved, "partial-file-removed": filestore.ErrRemoved,
		"partial-file-truncated": filestore.ErrTruncated, "partial-file-changed": agent.ErrChanged,
	} {
		s := newScreen(t, options{})
		s.wantLines(agent.PlaceLost{Err: err}, "warning: "+err.Error()+"; the lost part is received again ["+code+"]\n")
	}
}

func TestOtherComponentsAreNamedWithWhatToDo(t *testing.T) {
	s := newScreen(t, options{})
	const fix = "  try: iotupd recv --follow --component NAME   # which of them this device wants; - is for releases that name none\n"
	s.wantLines(agent.OtherComponent{Kept: "boot", Component: "app\x1b[2J", Object: proto.ObjectID{1}, Name: "app.bin"},
		"warning: object 01000000... app.bin is a release of component app\ufffd[2J, and this receiver keeps to releases of component boot [other-component]\n"+fix)
	s.wantLines(agent.OtherComponent{Component: "app", Object: proto.ObjectID{1}},
		"warning: object 01000000... is a release of component app, and this receiver keeps to releases of no component [other-component]\n"+fix)
}

func TestOtherVersionsAreNamedWithWhatToDo(t *testing.T) {
	s := newScreen(t, options{})
	s.wantLines(agent.OtherVersion{Object: proto.ObjectID{1}, Name: "fw.bin", Size: 2048},
		"warning: fw.bin is sent in another version now (object 01000000..., 2.0 KiB), and the one that is being received is silent [other-version]\n"+
			"  try: stop recv and start it again   # it receives that one; a release that is signed takes over by itself, with --trust\n")
	s.wantLines(agent.AlsoSent{Object: proto.ObjectID{1}, Name: "fw.bin", Size: 2048, Choice: true},
		"warning: another file is sent here, too: object 01000000... fw.bin, 2.0 KiB; the file whose manifest came first is received [also-sent]\n"+
			"  try: iotupd recv --object 01000000000000000000000000000000   # that one; or --name, or sign and --trust, so that the newer one is received\n")
}
