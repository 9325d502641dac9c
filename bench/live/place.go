// SPDX-License-Identifier: GPL-2.0-or-later

package live

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"iotupd/internal/netif"
)

// A place is a network on which processes run, each on a host of its own.
type place interface {
	// grow makes hosts until there are n, numbered from 0.
	grow(n int) error
	// command puts in front of a command what runs it on a host.
	command(host int, args []string) []string
	// flags are what both ends need to use the network.
	flags() ([]string, error)
	// close removes all that was made. No process may run any more.
	close() error
}

// openPlace chooses a place, and says which.
func openPlace(onLoopback bool) (p place, note string, err error) {
	why := "as asked for"
	if !onLoopback {
		n, err := openNamespaces()
		if err == nil {
			return n, "real processes in network namespaces, joined by a bridge", nil
		}
		why = err.Error()
	}
	l, err := openLoopback()
	return l, fmt.Sprintf("real processes on the loopback interface %s (%s)", l, why), err
}

// A loopback is the interface of that name. All hosts are this one.
type loopback string

func openLoopback() (loopback, error) {
	all, err := netif.List()
	if err != nil {
		return "", err
	}
	for _, ifi := range all {
		if want := net.FlagLoopback | net.FlagUp; ifi.Flags&want == want {
			return loopback(ifi.Name), nil
		}
	}
	return "", errors.New("no loopback interface is up")
}

func (l loopback) grow(int) error                        { return nil }
func (l loopback) command(_ int, args []string) []string { return args }
func (l loopback) close() error                          { return nil }

// flags include a port that nobody uses now. IPv6 multicast is never delivered
// on a loopback interface.
func (l loopback) flags() ([]string, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("no free port: %w", err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return []string{"-4", "-i", string(l), "-p", strconv.Itoa(port)}, nil
}
