// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package mcast

// announcements returns no channel: the interfaces are looked at regularly.
func announcements() (changed <-chan struct{}, stop func()) { return nil, func() {} }
