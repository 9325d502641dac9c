// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package netif

import "errors"

func withoutNetlink() ([]Interface, error) {
	return nil, errors.New("nor in another way on this system")
}
