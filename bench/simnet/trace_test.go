// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestTraceRoundTrip(t *testing.T) {
	const head = "iotupd-trace 1\n# received lost\n"
	tests := []struct {
		name          string
		runs          []uint64 // received, lost, received ...
		want          string
		packets, lost uint64
	}{
		{"empty", nil, "", 0, 0},
		{"nothing in runs", []uint64{0, 0, 0}, "", 0, 0},
		{"all received", []uint64{5}, "5 0\n", 5, 0},
		{"all lost", []uint64{0, 5}, "0 5\n", 5, 5},
		{"ends received", []uint64{0, 5, 1}, "0 5\n1 0\n", 6, 5},
		{"ends lost", []uint64{10, 1, 20, 2}, "10 1\n20 2\n", 33, 3},
		{"runs that go on", []uint64{1, 0, 2, 1, 0, 2, 3}, "3 3\n3 0\n", 9, 3},
		{"most packets", []uint64{1<<40 - 1, 1}, "1099511627775 1\n", 1 << 40, 1},
	}
	for _, test := range tests {
		var trace Trace
		for i, n := range test.runs {
			add := trace.AddReceived
			if i%2 == 1 {
				add = trace.AddLost
			}
			if err := add(n); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
		}
		text := string(trace.AppendTo([]byte("before ")))
		if text != "before "+head+test.want || trace.Packets() != test.packets || trace.Lost() != test.lost {
			t.Errorf("%s: got %q with %d packets, %d lost; want %q with %d, %d",
				test.name, text, trace.Packets(), trace.Lost(), test.want, test.packets, test.lost)
		}
		again, err := ReadTrace(strings.NewReader(head + test.want))
		if err != nil || again.Packets() != test.packets || again.Lost() != test.lost || string(again.AppendTo(nil)) != head+test.want {
			t.Errorf("%s: got %+v, %v when read back", test.name, again, err)
		}
	}
}

func TestReadTraceAllowsForPeople(t *testing.T) {
	got, err := ReadTrace(strings.NewReader("iotupd-trace 1 \r\n# roof, rain\r\n  10\t 1 \r\n#\r\n0 2\r\n5 0\r\n0 0\r\n5 1"))
	if err != nil {
		t.Fatal(err)
	}
	if text, want := string(got.AppendTo(nil)), "iotupd-trace 1\n# received lost\n10 3\n10 1\n"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func TestReadTraceRefuses(t *testing.T) {
	const header = "iotupd-trace 1\n"
	for in, want := range map[string]string{
		"":                                       "the file is empty",
		"10 1\n":                                 `line 1: wants "iotupd-trace 1", not "10 1"`,
		"iotupd-trace 2\n":                       `line 1: wants "iotupd-trace 1"`,
		"\x7fELF\x00\x01":                        `line 1: wants "iotupd-trace 1"`,
		header + "10\n":                          `line 2: wants the packets received and lost, as in 120 3, not "10"`,
		header + "1 1\n\n":                       `line 3: wants the packets`,
		header + "1 1 1\n":                       "line 2: wants the packets",
		header + "1 -1\n":                        "line 2: wants the packets",
		header + "1.0 1\n":                       "line 2: wants the packets",
		header + "0x1 1\n":                       "line 2: wants the packets",
		header + "1_0 1\n":                       "line 2: wants the packets",
		header + "99999999999999999999 1":        "line 2: wants the packets",
		header + "1 1\n1099511627776 1\n":        "line 3: simnet: the trace is full",
		header + "18446744073709551615 1":        "line 2: simnet: the trace is full",
		header + "#" + strings.Repeat("x", 5000): "line 2: bufio.Scanner: token too long",
	} {
		got, err := ReadTrace(strings.NewReader(in))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: got %v, %v; want one line about %q", in, got, err, want)
		}
	}
}

func TestTraceIsBounded(t *testing.T) {
	full := Trace{ends: make([]uint64, 0, maxTraceRuns)}
	for i := range maxTraceRuns / 2 {
		if full.AddReceived(1) != nil || full.AddLost(1) != nil {
			t.Fatalf("no room for burst %d", i)
		}
	}
	if err := full.AddLost(7); err != nil || full.Lost() != maxTraceRuns/2+7 {
		t.Errorf("more of the last run: got %d lost, %v", full.Lost(), err)
	}
	if err := full.AddReceived(1); err != ErrTraceFull {
		t.Errorf("one run too many: got %v, want %v", err, ErrTraceFull)
	}
	for text, want := range map[string]string{"1 1\n": "the trace is full", "#" + strings.Repeat("x", 1000) + "\n": "longer than 32 MiB"} {
		endless := io.MultiReader(strings.NewReader("iotupd-trace 1\n"), strings.NewReader(strings.Repeat(text, 40<<20/len(text))))
		if _, err := ReadTrace(endless); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("endless %.10q: got %v, want %q", text, err, want)
		}
	}
}

// The longest text that there can be is read back.
func TestLongestTraceIsReadBack(t *testing.T) {
	var trace Trace
	for range maxTraceRuns / 2 {
		trace.AddReceived(maxTracePackets / maxTraceRuns)
		trace.AddLost(maxTracePackets / maxTraceRuns)
	}
	text := trace.AppendTo(nil)
	if got, err := ReadTrace(bytes.NewReader(text)); err != nil || got.Packets() != maxTracePackets {
		t.Errorf("%d bytes: got %v", len(text), err)
	}
}

func FuzzReadTrace(f *testing.F) {
	for _, in := range []string{"", "10 1\n20 2\n", "# hi\n0 1\n1 0\n", "5 0\n0 0\n0 5", "0 1\n1 2\n", "1099511627776 0\n"} {
		f.Add([]byte("iotupd-trace 1\n" + in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		trace, err := ReadTrace(bytes.NewReader(in))
		if err != nil {
			return
		}
		text := trace.AppendTo(nil)
		again, err := ReadTrace(bytes.NewReader(text))
		if err != nil || !bytes.Equal(again.AppendTo(nil), text) || again.Packets() != trace.Packets() || again.Lost() != trace.Lost() {
			t.Fatalf("%q: got %+v, %v when read back from %q", in, again, err, text)
		}
		for _, r := range Fit(trace) {
			if _, err := ParseLoss(r.Loss.String()); err != nil || !(r.LogLikelihood <= 0) {
				t.Errorf("%q: %v has log-likelihood %v, %v", text, r.Loss, r.LogLikelihood, err)
			}
		}
	})
}
