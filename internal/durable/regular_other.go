// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !unix

package durable

// doNotWait is a flag for opening pipes and devices: none, since here they have no
// place among files.
const doNotWait = 0

func noReader(error) bool { return false }
