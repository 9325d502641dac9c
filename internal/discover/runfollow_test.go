// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A followed is a running follow, in a bubble of its own time.
type followed struct {
	t     *testing.T
	begin time.Time
	calls chan string
}

// startFollowing follows what ask answers, and hears nothing, until the test ends.
func startFollowing(t *testing.T, ask func(old *Plan) (*Plan, error)) followed {
	fl := followed{t, time.Now(), make(chan string, 100)}
	record := func(format string, args ...any) {
		fl.calls <- fmt.Sprintf("%v: ", time.Since(fl.begin)) + fmt.Sprintf(format, args...)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	stopped, done := errors.New("stopped"), make(chan error)
	go func() {
		done <- follow(ctx, FollowOptions{
			Heard:  func() uint64 { return 0 },
			Listen: func(_ *Plan, l Level) error { record("%v", l); return nil },
			Failed: func(err error, again time.Duration) { record("%v, again in %v", err, again) },
		}, func(old *Plan) (*Plan, error) {
			record("asked")
			return ask(old)
		})
	}()
	t.Cleanup(func() {
		cancel(stopped)
		if err := <-done; err != stopped {
			t.Errorf("follow ended with %v, want %v", err, stopped)
		}
	})
	return fl
}

// want waits for the next calls, each after its time.
func (fl followed) want(calls ...string) {
	fl.t.Helper()
	for _, want := range calls {
		select {
		case got := <-fl.calls:
			if got != want {
				fl.t.Fatalf("got %q, want %q", got, want)
			}
		case <-time.After(time.Hour):
			fl.t.Fatalf("no call in an hour: %s", want)
		}
	}
}

// first and second are the levels of planOf("a b").
const (
	first  = "priority 0:  (192.0.2.97)"
	second = "priority 1:  (192.0.2.98)"
)

func TestFollowTurnsToTheNextPriorityAndAsksAgain(t *testing.T) {
	// "The questions are asked again after 5 min. They are also asked again when no
	// packet has come for 30 s, the time after which the next priority takes over,
	// and in the same silence after 60 s, 120 s, and so on." spec.md 8.3
	synctest.Test(t, func(t *testing.T) {
		p := planOf("a b")
		p.Refresh = 5 * time.Minute
		fl := startFollowing(t, func(*Plan) (*Plan, error) { return p, nil })
		fl.want("0s: asked", "0s: "+first)
		fl.want("30s: "+second, "30s: asked", "1m0s: "+first, "1m0s: asked", "1m30s: "+second, "2m0s: "+first, "2m0s: asked")
		fl.want("2m30s: "+second, "3m0s: "+first, "3m30s: "+second, "4m0s: "+first, "4m0s: asked")
		for _, want := range []string{"4m30s: " + second, "5m0s: " + first, "5m30s: " + second, "6m0s: " + first, "6m30s: " + second,
			"7m0s: " + first, "7m30s: " + second, "8m0s: " + first, "8m0s: asked"} {
			fl.want(want)
		}
		for n := 17; n < 26; n++ {
			fl.want(fmt.Sprintf("%v: %s", time.Duration(n)*30*time.Second, []string{first, second}[n%2]))
		}
		fl.want("13m0s: "+first, "13m0s: asked")
	})
}

func TestFollowOutlivesServersThatAreDown(t *testing.T) {
	// "If there is no answer, the old one stays, and the question is asked again
	// after 5 s, then twice as long each time up to 5 min." spec.md 8.3
	synctest.Test(t, func(t *testing.T) {
		failures := 3
		fl := startFollowing(t, func(*Plan) (*Plan, error) {
			if failures--; failures >= 0 {
				return nil, errors.New("down")
			}
			return planOf("a"), nil
		})
		fl.want("0s: asked", "0s: down, again in 5s", "5s: asked", "5s: down, again in 10s", "15s: asked", "15s: down, again in 20s")
		fl.want("35s: asked", "35s: "+first)
	})
}

func TestFollowWaitsForItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		answered := false
		err := follow(ctx, FollowOptions{Heard: func() uint64 { return 0 }}, func(*Plan) (*Plan, error) {
			cancel()
			time.Sleep(time.Minute)
			answered = true
			return nil, errors.New("too late")
		})
		if err != context.Canceled || !answered {
			t.Errorf("got %v, answered: %v", err, answered)
		}
	})
}

func TestWhatCannotBeListenedToIsTriedAgain(t *testing.T) {
	var calls []string
	failing := errors.New("no interface")
	w := following{core: NewFollower(0), opts: FollowOptions{
		Heard:  func() uint64 { return 0 },
		Listen: func(_ *Plan, l Level) error { calls = append(calls, l.String()); return failing },
		Failed: func(err error, again time.Duration) { calls = append(calls, fmt.Sprint(err, again)) },
	}}
	want := func(at time.Time, want ...string) {
		t.Helper()
		w.tick(at)
		if !slices.Equal(calls, want) {
			t.Fatalf("calls %q, want %q", calls, want)
		}
		calls = nil
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
