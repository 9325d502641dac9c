// SPDX-License-Identifier: GPL-2.0-or-later

package clock

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClaimIsUndoneByRelease(t *testing.T) {
	read := func() unix.SchedAttr {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Skipf("the scheduling of a thread cannot be read here: %v", err)
		}
		return *a
	}
	done := make(chan struct{})
	go func() { // a thread of its own
		defer close(done)
		before := read()
		release := Claim()
		if claimed := read(); claimed.Policy != unix.SCHED_RR && claimed.Runtime > shortSlice {
			t.Errorf("claimed: policy %d with slices of %d ns, want real time or short slices", claimed.Policy, claimed.Runtime)
		}
		release()
		if after := read(); after.Policy != before.Policy || after.Nice != before.Nice {
			t.Errorf("released: policy %d nice %d, want %d and %d", after.Policy, after.Nice, before.Policy, before.Nice)
		}
	}()
	<-done
}

func TestASleepTakesTheClaimAlong(t *testing.T) {
	// "Sleep may move the goroutine, and the priority with it."
	done := make(chan struct{})
	go func() {
		defer close(done)
		before, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Logf("the scheduling of a thread cannot be read here: %v", err)
			return
		}
		stop := make(chan struct{})
		defer close(stop)
		release := Claim()
		first := unix.Gettid()
		want, _ := unix.SchedGetAttr(0, 0)
		moved := false
		for range 10 {
			for _, d := range []time.Duration{time.Millisecond, longSleep} {
				Sleep(d)
				if got, _ := unix.SchedGetAttr(0, 0); got.Policy != want.Policy || got.Runtime != want.Runtime {
					t.Errorf("thread %d after a sleep: policy %d with slices of %d ns, want %d with %d", unix.Gettid(), got.Policy, got.Runtime, want.Policy, want.Runtime)
				}
			}
			claimed().unlocked(func() { leave(stop) })
			moved = moved || unix.Gettid() != first
		}
		if !moved {
			t.Log("the goroutine never moved, so that little was tested")
		}
		last := unix.Gettid()
		release()
		for _, thread := range []int{first, last} {
			if after, err := unix.SchedGetAttr(thread, 0); err == nil && after.Policy != before.Policy {
				t.Errorf("thread %d after all: policy %d, want %d", thread, after.Policy, before.Policy)
			}
		}
	}()
	<-done
}

// leave makes the goroutine continue on another thread, which the scheduler of
// the runtime may do by itself, and keeps that one busy until stop is closed.
func leave(stop chan struct{}) {
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread() // mostly to the thread that leave waits on
		close(locked)
		<-stop
	}()
	<-locked
}

// While a goroutine is away, another one may get its thread and claim it.
func TestAThreadThatAnotherGoroutineGotIsLeftToIt(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer Claim()()
		c, back, checked := claimed(), make(chan struct{}), make(chan struct{})
		first := c.thread
		c.unlocked(func() {
			for got := make(chan bool); ; {
				go func() {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					if unix.Gettid() != first {
						got <- false
						return
					}
					defer close(checked)
					defer Claim()()
					got <- true
					<-back
					if other := claimed(); other == nil || other == c || other.thread != first {
						t.Errorf("thread %d is claimed by %+v", first, other)
					}
				}()
				if <-got {
					return
				}
			}
		})
		if mine := claimed(); mine != c || c.thread == first {
			t.Errorf("thread %d, which is not %d, is claimed by %+v, want %+v", unix.Gettid(), first, mine, c)
		}
		close(back)
		<-checked
	}()
	<-done
}
