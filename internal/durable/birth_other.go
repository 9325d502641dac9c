// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !linux

package durable

import (
	"os"
	"time"
)

// Birth does not know when f was made. File systems of other systems use the number of a
// removed file for another one much later, or never.
func Birth(f *os.File) (t time.Time, known bool) { return time.Time{}, false }
