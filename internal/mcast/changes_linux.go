// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// subscribe opens a netlink socket on which the kernel announces that interfaces
// or their addresses have changed. Some sandboxes forbid that.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// announcements returns a channel that gets an element after a change of the
// interfaces, and is closed when the kernel announces no more; nil if it never
// does. stop ends them, and waits for the goroutine that reads them.
func announcements() (changed <-chan struct{}, stop func()) {
	f, err := subscribe()
	if err != nil {
		return nil, func() {}
	}
	ch, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(ch)
		var message [4096]byte // what it says does not matter
		for {
			_, err := f.Read(message[:])
			if err != nil && !errors.Is(err, syscall.ENOBUFS) { // ENOBUFS: changes were missed
				return
			}
			select {
			case ch <- struct{}{}:
			default: // one is there already
			}
		}
	}()
	return ch, func() { f.Close(); <-ended }
}
