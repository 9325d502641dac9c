// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

// doNotWait is a flag for opening pipes and devices.
const doNotWait = unix.O_NONBLOCK

func noReader(err error) bool { return errors.Is(err, unix.ENXIO) }
