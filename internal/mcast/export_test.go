// SPDX-License-Identifier: GPL-2.0-or-later

package mcast

import "time"

func init() { rescanEvery = 20 * time.Millisecond }
