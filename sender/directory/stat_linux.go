// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import "syscall"

func changedAt(s *syscall.Stat_t) int64 { return s.Ctim.Nano() }
