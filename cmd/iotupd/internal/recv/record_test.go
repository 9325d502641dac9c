// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/seqno"
	"iotupd/receiver"
)

// A recordScript is a recorder. Its verbs count packets from base.
type recordScript struct {
	t    *testing.T
	r    recorder
	from receiver.Origin
	base uint32
}

func (s *recordScript) hear(seqs ...int) {
	for _, seq := range seqs {
		s.hearOn(0, seq)
	}
}

// hearOn hears a packet of a layer.
func (s *recordScript) hearOn(layer, seq int) {
	s.r.hear(&receiver.Heard{Stream: &receiver.Stream{Origin: s.from, Layer: layer}, Seq: s.base + uint32(seq)})
}

func (s *recordScript) hearRange(from, to int) {
	for seq := from; seq <= to; seq++ {
		s.hear(seq)
	}
}

func (s *recordScript) want(lines string) {
	s.t.Helper()
	s.r.settle(s.r.window)
	if got, want := string(s.r.trace.AppendTo(nil)), "iotupd-trace 1\n# received lost\n"+lines; got != want {
		s.t.Errorf("from %#x: got %q, want %q", s.base, got, want)
	}
}

func TestARecordingIsTheGapsInTheSequence(t *testing.T) {
	const window = reorderWindow
	tests := []struct {
		what   string
		script func(s *recordScript)
		want   string
	}{
		{"nothing", func(*recordScript) {}, ""},
		{"no loss", func(s *recordScript) { s.hearRange(0, 999) }, "1000 0\n"},
		{"gaps", func(s *recordScript) { s.hear(0, 1, 3, 4, 5, 10) }, "2 1\n3 4\n1 0\n"},
		{"a long gap", func(s *recordScript) { s.hear(0, 100_000) }, "1 99999\n1 0\n"},
		{"late ones", func(s *recordScript) { s.hear(0, 3, 2, 5, 1) }, "4 1\n1 0\n"},
		{"copies", func(s *recordScript) { s.hear(0, 1, 1, 0, 3, 3) }, "2 1\n1 0\n"},
		{"sent before the first", func(s *recordScript) { s.hear(0, -1, 2, -2) }, "1 1\n1 0\n"},
		{"the latest that counts", func(s *recordScript) { s.hear(0); s.hearRange(2, window); s.hear(1) }, "257 0\n"},
		{"later than that", func(s *recordScript) { s.hear(0); s.hearRange(2, window+1); s.hear(1) }, "1 1\n256 0\n"},
		{"a new start", func(s *recordScript) { s.hear(0, 2, 3+seqno.MaxGap+1, 5+seqno.MaxGap+1, 0) }, "1 1\n2 1\n2 0\n"},
		{"other streams", func(s *recordScript) {
			s.hear(0, 1)
			s.from.Interface++
			s.hear(500)
			s.from = receiver.Origin{From: netip.MustParseAddrPort("10.0.0.1:2")}
			s.hear(7)
			s.from = receiver.Origin{}
			s.hearOn(1, 90)
			s.hear(3)
		}, "2 1\n1 0\n"},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			for _, base := range []uint32{0, 100, math.MaxInt32 - 1, 1 << 31, math.MaxUint32 - 1, math.MaxUint32} {
				s := &recordScript{t: t, base: base}
				test.script(s)
				s.want(test.want)
			}
		})
	}
}

func TestALossSeedIsTheKeyOfAStream(t *testing.T) {
	for text, want := range map[string]simnet.Key{
		"7":     {Seed: 7},
		"1/0/3": {Seed: 1, Receiver: 3},
		"1/2/0": {Seed: 1, Trial: 2},
		"0/0/0": {},
		"9/8/7": {Seed: 9, Trial: 8, Receiver: 7},
	} {
		var s cli.LossSeed
		if err := s.Set(text); err != nil || simnet.Key(s) != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, s, err, want)
		}
		var again cli.LossSeed
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%s: printed as %q, which is read as %+v, %v", text, s.String(), again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1/2", "1/2/3/4", "1//3", "1/2/x", "18446744073709551616"} {
		s := cli.LossSeed{Seed: 5}
		if err := s.Set(text); err == nil || s != (cli.LossSeed{Seed: 5}) {
			t.Errorf("%q: got %+v, %v, want an error and no change", text, s, err)
		}
	}
}

func TestOnlyTheFileOfATraceIsLocalIO(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.trace")
	if err := os.WriteFile(bad, []byte("no trace\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"none":                      cli.ExitOK,
		"bernoulli:200%":            cli.ExitUsage,
		"nonsense":                  cli.ExitUsage,
		"trace:" + bad:              cli.ExitUsage,
		"trace:" + bad + ".missing": cli.ExitLocalIO,
	} {
		if _, err := cli.ReadLoss("drop", text); cli.ExitCode(err) != want {
			t.Errorf("%s: got exit code %d (%v), want %d", text, cli.ExitCode(err), err, want)
		}
	}
}

func TestATraceThatIsFullSaysSo(t *testing.T) {
	s := newScreen(t, options{})
	var rec recording
	if err := rec.open(filepath.Join(t.TempDir(), "loss.trace")); err != nil {
		t.Fatal(err)
	}
	rec.full = true
	if err := rec.close(s.out); err != nil {
		t.Fatal(err)
	}
	s.out.EndProgress() // flushes
	if got := s.stderr.String(); !strings.Contains(got, "has no room for more than the first 0 packets [trace-full]") {
		t.Errorf("got %q", got)
	}
}
