// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package qdisc

import "errors"

// Drops is not known here.
func Drops(ifindex int) (uint32, error) { return 0, errors.ErrUnsupported }
