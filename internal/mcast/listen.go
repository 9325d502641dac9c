// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"iotupd/internal/netif"
)

// follow says how the interfaces of the host are followed. Tests change it.
var follow = netif.Follower{Every: 2 * time.Second, AnnouncedEvery: 10 * time.Second}

// seldom is how many times follow.Every the longest time is until what could not be
// joined is tried again.
const seldom = 30

// An Offload says whether runs of datagrams of one size may cross the kernel in
// one piece (UDP_SEGMENT, UDP_GRO on Linux). The datagrams on the network are the
// same either way.
type Offload int

const (
	OffloadAuto  Offload = iota // where the system can
	OffloadNever                // so that a filter on the way sees, and may lose, each datagram alone
)

// A ListenConfig says what to receive.
type ListenConfig struct {
	// Groups are multicast addresses, of either family or both. At least one.
	Groups []netip.Addr

	// Port is the UDP port, which other programs may listen on as well. Not zero.
	Port uint16

	// Sources, if any, are the only hosts to hear: the multicast groups are
	// joined with each source of their family, and a group of a family without
	// source is not joined.
	Sources []netip.Addr

	// Interfaces are the names of the interfaces to join on. An interface that is
	// missing or down is joined as soon as it is usable. If empty, every suitable
	// interface is used, see [Suitable], as they come and go.
	Interfaces []string

	// ReceiveBuffer is the number of bytes to ask the kernel for. If zero, 32 MiB
	// are asked for. Without privileges one gets what the system allows, see
	// [Stats].
	ReceiveBuffer int

	// Offload is OffloadAuto if zero.
	Offload Offload

	// Logger, if not nil, gets a record when memberships change.
	Logger Logger
}

// A Logger is what a [*log/slog.Logger] does here: args are keys and values.
type Logger interface {
	Debug(message string, args ...any)
	Info(message string, args ...any)
	Warn(message string, args ...any)
}

// discard is a Logger that nobody reads.
type discard struct{}

func (discard) Debug(string, ...any) {}
func (discard) Info(string, ...any)  {}
func (discard) Warn(string, ...any)  {}

func (c ListenConfig) withDefaults() ListenConfig {
	if c.ReceiveBuffer == 0 {
		c.ReceiveBuffer = 32 << 20
	}
	if c.Logger == nil {
		c.Logger = discard{}
	}
	return c
}

func (c ListenConfig) validate() error {
	if c.Port == 0 {
		return errors.New("no UDP port to listen on")
	}
	if err := validateSources(c.Sources); err != nil {
		return err
	}
	return validateGroups(c.Groups)
}

func validateSources(sources []netip.Addr) error {
	for _, s := range sources {
		if !s.IsValid() || s.IsMulticast() || s.IsUnspecified() {
			return fmt.Errorf("source %v is not the address of a host", s)
		}
	}
	return nil
}

func validateGroups(groups []netip.Addr) error {
	if len(groups) == 0 {
		return errors.New("no multicast group to join")
	}
	for _, g := range groups {
		if !g.IsMulticast() || g.Zone() != "" || g.Is4In6() {
			return fmt.Errorf("%v is not a multicast address", g)
		}
	}
	return nil
}

// A Listener is a member of multicast groups. Its methods may be called from any
// goroutine.
type Listener struct {
	cfg     ListenConfig
	sockets [families]*Socket // nil where there is none

	mu      sync.Mutex // guards what follows, and the memberships of the sockets
	groups  []netip.Addr
	sources []netip.Addr // none: any
	members []member     // those wanted, joined or not

	listed atomic.Pointer[[]Membership] // members, for who does not wait for mu

	indices map[string]int  // of the named interfaces, when they were last seen
	logged  map[string]bool // conditions that are logged only once
	retryAt time.Time       // when to try again what could not be joined
	retryIn time.Duration   // from then until the next time

	closeOnce sync.Once
	unfollow  func() // ends the looks at the interfaces
}

// Listen joins the multicast groups of cfg. Each family that the host has gets a
// socket. That some memberships fail is not an error, see [Listener.Memberships];
// that none is possible is one, unless an interface is being waited for.
func Listen(cfg ListenConfig) (*Listener, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	l := &Listener{cfg: cfg, groups: cfg.Groups, sources: cfg.Sources, indices: make(map[string]int), logged: make(map[string]bool)}
	if err := l.open(); err != nil {
		l.closeSockets()
		return nil, err
	}
	var failed error
	first := true
	stop, unannounced := follow.Follow(func(changed bool) time.Duration {
		l.mu.Lock()
		defer l.mu.Unlock()
		next, err := l.look(changed)
		switch {
		case first && err == nil:
			failed, first = startable(l.members), false
		case first:
			failed, first = err, false
		case err != nil:
			l.cfg.Logger.Warn("memberships not checked", "error", err)
		}
		return next
	})
	if failed != nil {
		stop()
		l.closeSockets()
		return nil, failed
	}
	if unannounced != nil {
		l.cfg.Logger.Info("changes of interfaces are noticed late: this system does not announce them", "error", unannounced)
	}
	l.unfollow = stop
	return l, nil
}

// open opens the sockets.
func (l *Listener) open() error {
	var failed error
	for f := range family(families) {
		if len(ofFamily(f, l.groups)) == 0 {
			continue
		}
		s, err := openSocket(f, l.cfg)
		if errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		if err != nil { // the host may well do without this family
			failed = errors.Join(failed, err)
			l.cfg.Logger.Info("address family not available", "family", f.String(), "error", err)
			continue
		}
		l.sockets[f] = s
	}
	if len(l.Sockets()) == 0 {
		return failed
	}
	return nil
}

// look keeps up with the interfaces of the host. What cannot be joined is tried again
// after every change, and ever more seldom where nothing changes.
func (l *Listener) look(changed bool) (next time.Duration, err error) {
	now := time.Now()
	retry := changed || !now.Before(l.retryAt)
	if changed {
		l.retryIn = 0
	}
	if err := l.update(retry); err != nil {
		return follow.Every, err
	}
	waits, failed := false, false
	for _, m := range l.members {
		waits = waits || m.index == 0
		failed = failed || m.index != 0 && m.Err != nil
	}
	if failed && retry {
		l.retryIn = min(max(2*l.retryIn, follow.Every), seldom*follow.Every)
		l.retryAt = now.Add(l.retryIn)
	}
	switch {
	case waits:
		return follow.Every, nil
	case failed:
		return max(l.retryAt.Sub(now), 1), nil
	}
	return 0, nil
}

// Sockets returns one socket for each address family that the host has and that a
// multicast group was asked for, IPv6 first. Each needs a goroutine that reads
// it; the set does not change.
func (l *Listener) Sockets() []*Socket {
	var open []*Socket
	for _, s := range l.sockets {
		if s != nil {
			open = append(open, s)
		}
	}
	return open
}

// Stats are counters since [Listen].
type Stats struct {
	// KernelDrops counts what the host lost because its receive buffer was full:
	// datagrams, or whole runs of them where those cross the kernel in one piece.
	// It is brought up to date by datagrams received later. Linux only.
	KernelDrops uint64

	// ForeignDestination counts datagrams that were dropped because they had not
	// been sent to a joined multicast group, or came over another interface.
	ForeignDestination uint64

	// Truncated counts datagrams that were dropped because they were longer than
	// [MaxDatagram].
	Truncated uint64

	// ReceiveBuffer is the size in bytes, as the kernel reports it, of the smallest
	// receive buffer. Linux reports twice what was granted, and charges
	// some 2300 bytes for a datagram of 1232.
	ReceiveBuffer int
}

// Stats returns the counters of all sockets.
func (l *Listener) Stats() Stats {
	var t Stats
	for _, s := range l.Sockets() {
		t.KernelDrops += s.kernelDrops.Load()
		t.ForeignDestination += s.foreign.Load()
		t.Truncated += s.truncated.Load()
		if t.ReceiveBuffer == 0 || s.buffer < t.ReceiveBuffer {
			t.ReceiveBuffer = s.buffer
		}
	}
	return t
}

// Close leaves the multicast groups, ends pending reads with [net.ErrClosed], and
// returns when nothing of l runs any more. It may be called again.
func (l *Listener) Close() error {
	var err error
	l.closeOnce.Do(func() {
		l.unfollow()
		err = l.closeSockets()
	})
	return err
}

func (l *Listener) closeSockets() error {
	var err error
	for _, s := range l.Sockets() {
		err = errors.Join(err, s.close())
	}
	return err
}
