// SPDX-License-Identifier: GPL-2.0-or-later

package sender_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

// A wire is a Conn that keeps what it is given.
type wire struct {
	t      *testing.T
	c      *carousel
	writes int
	sent   []packet
	fail   func(write int) error // nil: never fails
}

// WriteSegments implements [sender.Conn].
func (w *wire) WriteSegments(b []byte, segment int) error {
	w.writes++
	if segment != w.c.s.DatagramLen() || len(b) == 0 || len(b)%segment != 0 || len(b) > 64*segment {
		w.t.Errorf("write of %d bytes in segments of %d", len(b), segment)
	}
	if w.fail != nil {
		if err := w.fail(w.writes); err != nil {
			return err
		}
	}
	for b = bytes.Clone(b); len(b) > 0; b = b[segment:] {
		p := w.c.parse(b[:segment])
		p.at = time.Now()
		w.sent = append(w.sent, p)
	}
	return nil
}

// inBubble starts the carousel of a small file in a bubble of virtual time.
func inBubble(t *testing.T, cfg sender.Config, f func(t *testing.T, w *wire)) {
	o := prepare(t, randomFile(10_000), smallest(proto.CodeLeopard8, 10, 5), sender.PrepareConfig{})
	synctest.Test(t, func(t *testing.T) {
		f(t, &wire{t: t, c: startObject(t, o, cfg)})
	})
}

func TestRunSendsUntilDoneAtTheRate(t *testing.T) {
	for _, rate := range []int64{sender.MinRate, 1_000_000, 100_000_000} {
		inBubble(t, sender.Config{Rate: rate, Loops: 50}, func(t *testing.T, w *wire) {
			start := time.Now()
			if err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{}); err != nil {
				t.Fatal(err)
			}
			wantBye(t, w.sent)
			if got, want := len(shards(w.sent)), 50*60; got != want {
				t.Errorf("%d shards in 50 loops, want %d", got, want)
			}
			bits := float64(8 * len(w.sent) * (w.c.s.DatagramLen() + proto.IPv6Overhead))
			want := time.Duration(bits / float64(rate) * float64(time.Second))
			if got := time.Since(start); got < want*98/100-10*time.Millisecond || got > want*102/100+10*time.Millisecond {
				t.Errorf("rate %d: sending took %v, want %v", rate, got, want)
			}
		})
	}
}

func TestRunSaysGoodbyeWhenStopped(t *testing.T) {
	// "Run sends until s is done, or until ctx ends and the end was announced to
	// receivers."
	for _, size := range []int{0, 10_000} {
		o := prepare(t, randomFile(size), smallest(proto.CodeNone, 1, 0), sender.PrepareConfig{})
		synctest.Test(t, func(t *testing.T) {
			w := &wire{t: t, c: startObject(t, o, sender.Config{})}
			const stopAt = 5050 * time.Millisecond // between the manifests of an empty file, which come every 200 ms
			ctx, cancel := context.WithTimeout(t.Context(), stopAt)
			defer cancel()
			start := time.Now()
			if err := sender.Run(ctx, w.c.s, w, sender.RunOptions{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < stopAt || took > stopAt+100*time.Millisecond {
				t.Errorf("ended after %v, want soon after %v", took, stopAt)
			}
			wantBye(t, w.sent)
		})
	}
}

func TestRunDoesNotInsistOnItsGoodbye(t *testing.T) {
	// A stopped sender goes on for its last packets for a second, no longer:
	// at the lowest rate four of the longest packets take four.
	p := smallest(proto.CodeNone, 1, 0)
	p.ShardSize = proto.MaxShardSize
	o := prepare(t, randomFile(10_000), p, sender.PrepareConfig{})
	synctest.Test(t, func(t *testing.T) {
		w := &wire{t: t, c: startObject(t, o, sender.Config{Rate: sender.MinRate})}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := sender.Run(ctx, w.c.s, w, sender.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 6300*time.Millisecond {
			t.Errorf("ended %v after it was stopped, want about 1 s", took-5*time.Second)
		}
	})
}

func TestANetworkThatNeverWorkedIsAnError(t *testing.T) {
	// "A network that never worked is an error"
	errNoRoute := errors.New("no route")
	inBubble(t, sender.Config{}, func(t *testing.T, w *wire) {
		w.fail = func(int) error { return errNoRoute }
		if err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{}); !errors.Is(err, errNoRoute) {
			t.Errorf("Run returned %v, want %v", err, errNoRoute)
		}
		if w.writes != 1 {
			t.Errorf("%d writes, want 1", w.writes)
		}
	})
}

func TestANetworkThatStopsWorkingIsRetried(t *testing.T) {
	// "one that stops working is retried without end, since there may be
	// receivers again when it is back"
	errDown := errors.New("network is down")
	inBubble(t, sender.Config{Loops: 100}, func(t *testing.T, w *wire) {
		start := time.Now()
		isDown := func() bool {
			d := time.Since(start)
			return d > time.Second && d < time.Minute || d > 2*time.Minute && d < 3*time.Minute
		}
		failed := 0
		w.fail = func(int) error {
			if isDown() {
				failed++
				return errDown
			}
			return nil
		}
		var logged strings.Builder
		log := slog.New(slog.NewTextHandler(&logged, nil))
		if err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{Log: log}); err != nil {
			t.Fatal(err)
		}
		wantBye(t, w.sent)
		if failed < 100 || failed > 1000 {
			t.Errorf("%d attempts in 59 s, want some a second", failed)
		}
		if got := strings.Count(logged.String(), "msg="); got != 2 || !strings.Contains(logged.String(), errDown.Error()) {
			t.Errorf("logged %d lines, want one when the network went and one when it came back:\n%s", got, &logged)
		}
	})
}

func TestAStoppedSenderDoesNotWaitForTheNetwork(t *testing.T) {
	inBubble(t, sender.Config{}, func(t *testing.T, w *wire) {
		w.fail = func(write int) error {
			if write > 1 {
				return errors.New("network is down")
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if err := sender.Run(ctx, w.c.s, w, sender.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 6500*time.Millisecond {
			t.Errorf("ended after %v, want soon after 5 s", took)
		}
	})
}

func TestRunReportsSeveralTimesASecondAndAtTheEnd(t *testing.T) {
	inBubble(t, sender.Config{Rate: sender.MinRate, Loops: 5}, func(t *testing.T, w *wire) {
		start, reports := time.Now(), 0
		var last sender.Progress
		err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{Report: func(now time.Time, p sender.Progress) error {
			if !now.Equal(time.Now()) {
				t.Errorf("report of %v at %v", now, time.Now())
			}
			reports++
			last = p
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if seconds := time.Since(start).Seconds(); float64(reports) < 3*seconds || float64(reports) > 6*seconds {
			t.Errorf("%d reports in %.0f s", reports, seconds)
		}
		if last.Packets != uint64(len(w.sent)) || last.Loop != 6 {
			t.Errorf("the last report is %+v, want all %d packets of 5 loops", last, len(w.sent))
		}
	})
}

func TestAnErrorOfReportEndsRun(t *testing.T) {
	errEnough := errors.New("enough")
	inBubble(t, sender.Config{}, func(t *testing.T, w *wire) {
		err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{Report: func(_ time.Time, p sender.Progress) error {
			if p.Packets > 1000 {
				return errEnough
			}
			return nil
		}})
		if !errors.Is(err, errEnough) {
			t.Errorf("Run returned %v, want %v", err, errEnough)
		}
	})
}

func TestAnErrorOfTheSourceEndsRun(t *testing.T) {
	// What was read before the failure is still sent.
	errGone := errors.New("medium removed")
	file, broken := randomFile(200_000), false
	src := readerAt(func(b []byte, off int64) (int, error) {
		if broken && off > 100_000 {
			return 0, errGone
		}
		return bytes.NewReader(file).ReadAt(b, off)
	})
	p := smallest(proto.CodeLeopard8, 50, 5)
	p.Size = uint64(len(file))
	o, err := sender.Prepare(t.Context(), src, p, sender.PrepareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	synctest.Test(t, func(t *testing.T) {
		w := &wire{t: t, c: startObject(t, o, sender.Config{Rate: -1})}
		if err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{}); !errors.Is(err, errGone) {
			t.Errorf("Run returned %v, want %v", err, errGone)
		}
		if got := w.c.s.Progress().Packets; got != uint64(len(w.sent)) {
			t.Errorf("%d packets were sent of %d that were made", len(w.sent), got)
		}
	})
}

func TestShortWaitsAreLeftToSleep(t *testing.T) {
	// "Sleep waits for a short time, more exactly than the runtime's timers do."
	inBubble(t, sender.Config{Rate: 1_000_000, Loops: 10}, func(t *testing.T, w *wire) {
		slept := 0
		err := sender.Run(t.Context(), w.c.s, w, sender.RunOptions{Sleep: func(d time.Duration) {
			if d <= 0 || d > 20*time.Millisecond {
				t.Errorf("Sleep(%v), want short waits only", d)
			}
			slept++
			time.Sleep(d)
		}})
		if err != nil || slept < w.writes-1 {
			t.Errorf("%v; slept %d times for %d writes, want the end of each wait to be slept", err, slept, w.writes)
		}
	})
}

// discard is a Conn.
type discard struct{ io.Writer }

// WriteSegments implements [sender.Conn].
func (d discard) WriteSegments(b []byte, _ int) error { _, err := d.Write(b); return err }

func TestRunAllocatesNothingForAPacket(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	run := func(loops int) float64 {
		o := prepare(t, randomFile(10_000), smallest(proto.CodeLeopard8, 10, 5), sender.PrepareConfig{})
		return testing.AllocsPerRun(3, func() {
			s, err := sender.New(sender.Config{Rate: -1, Loops: loops}, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := sender.Run(t.Context(), s, discard{io.Discard}, sender.RunOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := run(2), run(200); many > few+3 {
		t.Errorf("%.0f allocations for 200 loops, %.0f for 2", many, few)
	}
}
