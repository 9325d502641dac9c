// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import (
	"time"

	"iotupd/internal/netif"
)

func init() {
	follow = netif.Follower{Every: 20 * time.Millisecond, AnnouncedEvery: 20 * time.Millisecond}
}

// OnlyAnnounced has nobody look at the interfaces unless the kernel announces a
// change, until undo.
func OnlyAnnounced() (undo func()) {
	before := follow
	follow = netif.Follower{Every: time.Hour, AnnouncedEvery: time.Hour}
	return func() { follow = before }
}
