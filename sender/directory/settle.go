// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"io/fs"
	"time"
)

// fresh is how long ago the last change of a file has to be. Times of files have the
// resolution of a tick of the kernel, up to 10 ms: of two changes in the same tick, the second
// one would not show.
const fresh = 20 * time.Millisecond

// settled returns info, or what again returns if that was changed just now: after a while in
// which no other change can get the same time.
func settled(info fs.FileInfo, again func() (fs.FileInfo, error)) (fs.FileInfo, error) {
	changed := time.Unix(0, statOf(info).id.changed)
	if info.ModTime().After(changed) {
		changed = info.ModTime()
	}
	age := time.Since(changed)
	if age >= fresh || age < 0 { // a clock that was set back is not waited for
		return info, nil
	}
	time.Sleep(fresh - age)
	return again()
}
