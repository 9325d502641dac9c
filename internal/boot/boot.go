// SPDX-License-Identifier: GPL-2.0-or-later

// Package boot tells boots of this system apart, and how long it has been up: time that
// devices without a clock have, too.
package boot

import "time"

// started is when this process did.
var started = time.Now()
