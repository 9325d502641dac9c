// SPDX-License-Identifier: GPL-2.0-or-later

package netif_test

import (
	"testing"
	"time"

	"iotupd/internal/mcast/mcasttest"
	"iotupd/internal/netif"
)

// One that nobody announces anything to looks regularly, and one to which changes are
// announced need not.
func TestChangesAreFollowed(t *testing.T) {
	mcasttest.NeedNamespace(t)
	for name, f := range map[string]netif.Follower{
		"announced":   {Every: time.Hour, AnnouncedEvery: time.Hour},
		"unannounced": {Every: 10 * time.Millisecond, Unannounced: true},
	} {
		t.Run(name, func(t *testing.T) {
			const device = "follow0"
			seen := make(chan bool, 1000)
			stop, err := f.Follow(func(bool) time.Duration {
				_, err := netif.ByName(device)
				seen <- err == nil
				return 0
			})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			if <-seen {
				t.Fatal("it is there already")
			}
			mcasttest.Command(t, "ip link add "+device+" type bridge")
			for !<-seen {
			}
			mcasttest.Command(t, "ip link del "+device)
			for <-seen {
			}
		})
	}
}
