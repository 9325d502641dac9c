// SPDX-License-Identifier: GPL-2.0-or-later

//go:build race

package fec

// raceDetector says that allocations are not what they are in a shipped build.
const raceDetector = true
