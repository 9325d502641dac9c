// SPDX-License-Identifier: GPL-2.0-or-later

// Package clock waits precisely. [time.Sleep] may be a millisecond late on
// Linux, and a busy host adds many more; both turn a paced stream into bursts,
// or into a slower one.
package clock

import (
	"os"
	"runtime"
	"sync"
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
// threads can take. [Sleep] may move the goroutine, and the priority with it.
func Claim() (release func()) { return newClaim(true).hold() }

// ClaimSlices is [Claim] without real-time priority, for a stream that may take
// all of a processor: only short slices.
func ClaimSlices() (release func()) { return newClaim(false).hold() }

func (c *claim) hold() (release func()) {
	runtime.LockOSThread()
	c.take()
	sleepers.Add(1)
	return func() {
		sleepers.Add(-1)
		c.timer.Close()
		unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: back to the default
		if !c.restore() {
			return // stay locked: the runtime ends a thread whose goroutine ends so
		}
		runtime.UnlockOSThread()
	}
}

// A claim is a goroutine that [Claim] was called by, and its thread.
type claim struct {
	realTime bool // if it may be

	thread int

	timer   *os.File // a timerfd; nil: there is none
	timerFD int
	expired [8]byte // what is read of it
}

func newClaim(realTime bool) *claim {
	c := &claim{realTime: realTime}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err == nil {
		c.timer, c.timerFD = os.NewFile(uintptr(fd), "timerfd"), fd
	}
	return c
}

// threads are those that were claimed, by their numbers. While a goroutine is away,
// another one may get its thread, and claim it.
var (
	guard   sync.Mutex // of threads
	threads = make(map[int]*thread)
)

// A thread that was claimed.
type thread struct {
	before *unix.SchedAttr // any claim; nil: it is not known
	owner  *claim
	away   bool // the owner
}

// take claims the calling thread.
func (c *claim) take() {
	guard.Lock()
	defer guard.Unlock()
	c.thread = unix.Gettid()
	t := threads[c.thread]
	if t == nil {
		t = &thread{}
		t.before, _ = unix.SchedGetAttr(0, 0)
		threads[c.thread] = t
	}
	t.owner, t.away = c, false
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // ns; a refusal costs precision only
	realTime := unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if !c.realTime || setScheduling(0, realTime) != nil {
		slices := unix.SchedAttr{Policy: unix.SCHED_NORMAL, Runtime: shortSlice}
		if t.before != nil {
			slices.Nice = t.before.Nice // to ask for less, under nice, is refused
		}
		setScheduling(0, slices)
	}
}

// restore undoes what take did, unless another claim has the thread by now, and
// reports whether it could.
func (c *claim) restore() bool {
	guard.Lock()
	defer guard.Unlock()
	t := threads[c.thread]
	if t == nil || t.owner != c {
		return true
	}
	delete(threads, c.thread)
	return t.before == nil || setScheduling(c.thread, *t.before) == nil
}

// claimed returns the claim of the calling goroutine, or nil.
func claimed() *claim {
	guard.Lock()
	defer guard.Unlock()
	if t := threads[unix.Gettid()]; t != nil && !t.away {
		return t.owner
	}
	return nil
}

// leave notes that the goroutine leaves its thread for a while.
func (c *claim) leave() {
	guard.Lock()
	defer guard.Unlock()
	if t := threads[c.thread]; t != nil && t.owner == c {
		t.away = true
	}
}

// back notes that it is back, and reports whether it has its thread still.
func (c *claim) back() bool {
	guard.Lock()
	defer guard.Unlock()
	t := threads[c.thread]
	if t == nil || t.owner != c || unix.Gettid() != c.thread {
		return false
	}
	t.away = false
	return true
}

// unlocked calls f, and lets the goroutine wander to another thread meanwhile,
// which is then claimed instead. The runtime can only take a goroutine that is
// locked to its thread from it, and put it back, by way of another thread, which
// does not have the priority: that may take long on a busy host.
func (c *claim) unlocked(f func()) {
	c.leave()
	runtime.UnlockOSThread()
	f()
	runtime.LockOSThread()
	if !c.back() {
		c.restore()
		c.take()
	}
}

// sleep lets the runtime's poller wait for a timer of the kernel, and reports
// whether it did. That is as precise as a sleep, and the thread that polls is
// mostly this one. During a long system call the runtime would poll for its end.
func (c *claim) sleep(d time.Duration) (ok bool) {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if c.timer == nil || unix.TimerfdSettime(c.timerFD, 0, &at, nil) != nil {
		return false
	}
	c.unlocked(c.expire)
	return true
}

// expire waits for the timer.
func (c *claim) expire() { c.timer.Read(c.expired[:]) }

func setScheduling(thread int, a unix.SchedAttr) error {
	a.Size = uint32(unsafe.Sizeof(a))
	return unix.SchedSetAttr(thread, &a, 0)
}

// longSleep is a sleep during which the processor of the runtime is free for
// others. A shorter sleep hides the system call from the runtime: otherwise the
// runtime would poll for its end, which costs several times as much as the sleep,
// and a real-time thread that wakes just then may spin until a poll ends that
// waits for this very thread to leave the processor.
const longSleep = 4 * time.Millisecond

// yieldEvery is how often a goroutine that only sleeps for short times lets
// others run. After 10 ms the runtime would interrupt it.
const yieldEvery = 8 * time.Millisecond

// yielded is when a goroutine last did so, in nanoseconds.
var yielded atomic.Int64

// processors is how many the runtime has, and sleepers how many goroutines have
// claimed their threads, each of which may keep one of them while it sleeps.
var (
	processors = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })
	sleepers   atomic.Int32
)

// others reports whether the runtime has more processors than those that sleep.
func others() bool { return processors() > max(1, int(sleepers.Load())) }

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
	if d >= longSleep || !others() {
		if c := claimed(); c != nil && c.sleep(d) {
			return
		}
		sleepUntil(end, false)
		return
	}
	if n := now.UnixNano(); n-yielded.Load() >= int64(yieldEvery) {
		yielded.Store(n)
		if c := claimed(); c != nil {
			c.unlocked(runtime.Gosched)
		} else {
			runtime.Gosched()
		}
	}
	sleepUntil(end, true)
}

// sleepUntil sleeps, shortly or not, by a high-resolution timer of the kernel, where the runtime's
// poller counts in milliseconds, unless a 32-bit kernel was built without the
// calls that take a 32-bit time.
func sleepUntil(end time.Time, short bool) {
	var now unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	// An absolute deadline is not stretched by the signals that interrupt the
	// sleep, and the runtime sends itself many.
	deadline := unix.NsecToTimespec(now.Nano() + int64(time.Until(end)))
	for err == nil || err == unix.EINTR {
		if short {
			err = rawNanosleep(&deadline)
		} else {
			err = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &deadline, nil)
		}
		if err == nil {
			return
		}
	}
	time.Sleep(time.Until(end))
}

// rawNanosleep is [unix.ClockNanosleep] without a word to the runtime.
func rawNanosleep(deadline *unix.Timespec) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(deadline)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
