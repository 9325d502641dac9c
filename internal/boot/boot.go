// SPDX-License-Identifier: GPL-2.0-or-later

// Package boot identifies a boot of this system, and has its uptime: a time that devices
// without a clock have, too.
package boot

import "time"

// started is when this process did.
var started = time.Now()
