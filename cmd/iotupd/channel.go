// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
)

// channelOptions are the flags that say where packets go, the same for all
// commands.
type channelOptions struct {
	channel string
	port    uint16
	only4   bool
	only6   bool
}

// errLoopback6 says why -6 and a loopback interface do not go together.
var errLoopback6 = errors.New("IPv6 multicast is never delivered on a loopback interface; use -4, or a --group of IPv4")
