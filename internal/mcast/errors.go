// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"iotupd/internal/netif"
)

var (
	// ErrUnreachable is wrapped by the errors of [Conn.WriteSegments] that mean that
	// the interface is there, but cannot send: no address yet, no link.
	ErrUnreachable = errors.New("mcast: network unreachable")

	// ErrNoInterface is wrapped by those that mean that the interface is gone.
	ErrNoInterface = errors.New("mcast: no such interface")
)

// A TooBigError says that a datagram did not fit the interface in one piece.
type TooBigError struct {
	Interface string
	MTU       int // of the interface
	Datagram  int // bytes that were to be sent
	Max       int // bytes of the largest datagram that fits
}

func (e *TooBigError) Error() string {
	return fmt.Sprintf("datagrams of %d bytes do not fit %s, whose MTU of %d leaves %d", e.Datagram, e.Interface, e.MTU, e.Max)
}

// Unwrap gives the system's error.
func (e *TooBigError) Unwrap() error { return syscall.EMSGSIZE }

// headers is the size in bytes of the IP and UDP headers.
func (f family) headers() int { return [families]int{40 + 8, 20 + 8}[f] }

func isUnreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETDOWN) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

func isInterfaceGone(err error) bool {
	return errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENXIO)
}

// explain puts into words what a failure to send a datagram of so many bytes
// means, and what to do about it.
func (c *Conn) explain(err error, datagram int) error {
	name := c.cfg.Interface.Name
	f := familyOf(c.cfg.Group)
	now, lookup := netif.ByName(name)
	switch {
	case errors.Is(err, net.ErrClosed):
		return err
	case errors.Is(err, syscall.EMSGSIZE):
		mtu := c.cfg.Interface.MTU
		if lookup == nil {
			mtu = now.MTU
		}
		return &TooBigError{Interface: name, MTU: mtu, Datagram: datagram, Max: mtu - f.headers()}
	case errors.Is(err, syscall.EINVAL) && c.cfg.Source.IsValid():
		return fmt.Errorf("%w: %s does not have the address %v any more: %w", ErrUnreachable, name, c.cfg.Source, err)
	case isInterfaceGone(err), isUnreachable(err) && lookup != nil:
		return fmt.Errorf("%w: %s was removed: %w", ErrNoInterface, name, err)
	case isUnreachable(err) && now.Flags&net.FlagUp == 0:
		return fmt.Errorf("%w: %s is down: %w", ErrUnreachable, name, err)
	case isUnreachable(err):
		return fmt.Errorf("%w: %s has no usable %v address, or the routing table forbids %v: %w", ErrUnreachable, name, f, c.cfg.Group, err)
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return fmt.Errorf("a firewall of this host refuses to send to %v over %s: %w", c.cfg.Group, name, err)
	}
	return fmt.Errorf("cannot send to %v over %s: %w", c.cfg.Group, name, err)
}
