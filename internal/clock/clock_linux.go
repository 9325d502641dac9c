// SPDX-License-Identifier: GPL-2.0-or-later

// Package clock waits precisely. [time.Sleep] may be a millisecond late on
// Linux, which turns a paced stream of 1 Gbit/s into bursts of 90 packets;
// [Sleep] is some 60 µs late.
package clock

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Sleep pauses the calling goroutine for at least d, and blocks its thread
// meanwhile; nothing interrupts it. It allocates nothing, any goroutine may
// call it at any time, and a d of zero or less returns at once.
//
// It asks the kernel for a high-resolution timer, instead of the runtime, whose
// poller counts in milliseconds, and it takes the thread's timer slack away,
// which lets the kernel delay a wake-up by 50 µs to join it with others.
func Sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	end := time.Now().Add(d)
	if err := nanosleep(d); err != nil {
		time.Sleep(time.Until(end))
	}
}

// nanosleep sleeps for d. It fails on 32-bit kernels built without the calls
// that take a 32-bit time.
func nanosleep(d time.Duration) error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	// An absolute deadline is not stretched by the signals that interrupt the
	// sleep, and the runtime sends itself many.
	deadline := unix.NsecToTimespec(now.Nano() + int64(d))

	runtime.LockOSThread() // timer slack belongs to the thread
	defer runtime.UnlockOSThread()
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)       // ns; a refusal costs precision only
	defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: back to the default
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &deadline, nil)
		if err != unix.EINTR {
			return err
		}
	}
}
