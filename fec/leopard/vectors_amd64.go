// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !purego

package leopard

import "golang.org/x/sys/cpu"

func hasVectors() bool { return cpu.X86.HasAVX2 }
