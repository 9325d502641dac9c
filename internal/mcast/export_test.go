// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import "time"

func init() { rescanEvery, rescanAnnouncedEvery = 20*time.Millisecond, 20*time.Millisecond }

// OnlyAnnounced has nobody look at the interfaces unless the kernel announces a
// change, until undo.
func OnlyAnnounced() (undo func()) {
	every, announcedEvery := rescanEvery, rescanAnnouncedEvery
	rescanEvery, rescanAnnouncedEvery = time.Hour, time.Hour
	return func() { rescanEvery, rescanAnnouncedEvery = every, announcedEvery }
}
