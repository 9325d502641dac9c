// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !amd64 || purego

package leopard

// vectors returns the kernel of this machine's vector unit, nil if it has none.
func vectors() kernel { return nil }
