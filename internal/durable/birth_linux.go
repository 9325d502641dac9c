// SPDX-License-Identifier: GPL-2.0-or-later

package durable

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Birth returns when f was made, if the file system knows it. A removed file's number may
// be given to a new file at once, which has another birth.
func Birth(f *os.File) (t time.Time, known bool) {
	var st unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return time.Time{}, false
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)), true
}
