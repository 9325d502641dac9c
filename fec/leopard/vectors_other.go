// SPDX-License-Identifier: GPL-2.0-or-later

//go:build (!amd64 && !arm64) || purego

package leopard

func hasVectors() bool { return false }

func vectors() kernel { return nil }
