// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !race

package golden_test

const underRace = false
