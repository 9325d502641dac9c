// SPDX-License-Identifier: GPL-2.0-or-later

package netif

// What the tests see of this package beside what it exports. They are outside of
// it, since the package that makes their namespaces imports it.
var (
	ListBy          = list
	ParseDevices    = parseDevices
	ParseAddresses6 = parseAddresses6
	MasterIn        = masterIn
	ErrNotFound     = errNotFound
)
