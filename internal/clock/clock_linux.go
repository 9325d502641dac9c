// SPDX-License-Identifier: GPL-2.0-or-later

// Package clock waits precisely. [time.Sleep] may be a millisecond late on
// Linux, and a busy host adds many more; both turn a paced stream into bursts,
// or into a slower one.
package clock

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shortSlice is the time slice, in nanoseconds, that makes the scheduler wake
// an ordinary thread soonest. It is the smallest that Linux grants.
const shortSlice = 100_000

// Claim makes the thread of the calling goroutine fit for a paced stream, and
// keeps the goroutine on it, until release: timers without slack, and
// real-time priority where the process may have it (root, CAP_SYS_NICE or a
// limit for it), else short slices. A thread that sleeps nearly all the time
// takes nothing from others by that, and the kernel bounds what real-time
// threads can take.
func Claim() (release func()) {
	runtime.LockOSThread()
	before, err := unix.SchedGetAttr(0, 0)
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // ns; a refusal costs precision only
	realTime := unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if setScheduling(realTime) != nil {
		slices := unix.SchedAttr{Policy: unix.SCHED_NORMAL, Runtime: shortSlice}
		if err == nil {
			slices.Nice = before.Nice // to ask for less, under nice, is refused
		}
		setScheduling(slices)
	}
	return func() {
		unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: back to the default
		if err == nil && setScheduling(*before) != nil {
			return // stay locked: the runtime ends a thread whose goroutine ends so
		}
		runtime.UnlockOSThread()
	}
}

func setScheduling(a unix.SchedAttr) error {
	a.Size = uint32(unsafe.Sizeof(a))
	return unix.SchedSetAttr(0, &a, 0)
}

// Sleep pauses the calling goroutine for at least d, and blocks its thread
// meanwhile; nothing interrupts it. It allocates nothing, any goroutine may
// call it at any time, and a d of zero or less returns at once. On a thread
// that was claimed it is some 50 µs late.
func Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	now := time.Now()
	end := now.Add(d)
	yield(now, d)
	if err := nanosleep(time.Until(end)); err != nil {
		time.Sleep(time.Until(end))
	}
}

const (
	// yieldEvery is how often a goroutine that mostly sleeps shows the runtime
	// that it is alive. The runtime takes the processor away from a goroutine that
	// it has not scheduled for 10 ms, at every system call from then on, which
	// costs several times what a short sleep does.
	yieldEvery = 8 * time.Millisecond
	// longSleep is a sleep that the processor is better taken away for: while the
	// runtime waits for the end of a system call it polls.
	longSleep = 4 * time.Millisecond
)

// yielded is when a goroutine last did so, in nanoseconds.
var yielded atomic.Int64

// yield lets others run before a sleep from now on for d, if it is time to.
func yield(now time.Time, d time.Duration) {
	n := now.UnixNano()
	if d < longSleep && n-yielded.Load() >= int64(yieldEvery) {
		yielded.Store(n)
		runtime.Gosched()
	}
}

// nanosleep sleeps for d by a high-resolution timer of the kernel, where the
// runtime's poller counts in milliseconds. It fails on 32-bit kernels built
// without the calls that take a 32-bit time.
func nanosleep(d time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	// An absolute deadline is not stretched by the signals that interrupt the
	// sleep, and the runtime sends itself many.
	deadline := unix.NsecToTimespec(now.Nano() + int64(d))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &deadline, nil)
		if err != unix.EINTR {
			return err
		}
	}
}
