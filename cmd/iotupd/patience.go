// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"time"

	"iotupd/internal/quantity"
	"iotupd/receiver"
)

// tooLargeAfter is how long objects over a limit may be all that is heard.
const tooLargeAfter = 3 * time.Second

// patience returns an error when it is time to give up.
func (v *recvView) patience(now time.Time) error {
	silent := now.Sub(v.heard)
	s := v.status
	switch {
	case s.Needed == 0 && v.opts.timeout > 0 && silent >= v.opts.timeout:
		return withCode(exitSilence, fmt.Errorf("nothing was heard within %s on %s", quantity.Duration(v.opts.timeout), v.where()))
	case s.Needed > 0 && v.opts.stall > 0 && v.collected.IsZero() && silent >= v.opts.stall:
		return withCode(exitIncomplete, fmt.Errorf("incomplete: the stream has been silent for %s, with %d of %d shards at hand",
			quantity.Duration(v.opts.stall), s.Held, s.Needed))
	case s.Needed == 0 && v.tooLarge.goesOn(now, s.Ignored[receiver.ReasonTooLarge]):
		return withCode(exitPolicy, fmt.Errorf("the file on the air is larger than --max-size %v, or cut into so many groups that their index is over 128 MiB", v.opts.maxSize))
	}
	return nil
}

// A tooLarge watches packets of objects over a limit. A few may be forged,
// or the last ones of a transfer, and are no reason to give up.
type tooLarge struct {
	since, last time.Time // such packets have been coming in
	count       uint64    // at last
}

func (t *tooLarge) goesOn(now time.Time, count uint64) bool {
	if now.Sub(t.last) > time.Second {
		t.since = now
	}
	if count != t.count {
		t.last, t.count = now, count
	}
	return t.last.Sub(t.since) >= tooLargeAfter
}
