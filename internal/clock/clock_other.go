// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

// Package clock waits as precisely as the runtime does on this system.
package clock

import "time"

// Claim does nothing on this system.
func Claim() (release func()) { return func() {} }

// ClaimSlices does nothing on this system.
func ClaimSlices() (release func()) { return func() {} }

// Filtered returns false: it is not known on this system, and Claim asks for nothing.
func Filtered() bool { return false }

// Sleep pauses the calling goroutine for at least d.
func Sleep(d time.Duration) { time.Sleep(d) }
