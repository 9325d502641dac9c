// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"time"

	"iotupd/internal/quantity"
)

// patience returns an error when it is time to give up.
func (v *recvView) patience(now time.Time) error {
	s := v.status
	silent := now.Sub(v.heard)
	switch {
	case !v.chosen() && v.opts.timeout > 0 && now.Sub(v.idle) >= v.opts.timeout:
		what := "nothing"
		if v.trust != nil {
			what = "nothing that is signed"
		}
		return v.whyNothing(fmt.Sprintf("%s was heard within %s on %s", what, quantity.Duration(v.opts.timeout), v.where()))
	case s.Needed == 0 || v.opts.stall == 0 || !v.collected.IsZero() || silent < v.opts.stall:
		return nil
	case !v.chosen():
		return v.whyNothing(fmt.Sprintf("nothing that is signed was heard, and the stream has been silent for %s", quantity.Duration(v.opts.stall)))
	}
	return withCode(exitIncomplete, fmt.Errorf("incomplete: the stream has been silent for %s, with %d of %d shards at hand%s",
		quantity.Duration(v.opts.stall), s.Held, s.Needed, v.next()))
}

// chosen reports whether an object is received that may be the wanted one. With
// --trust, that takes more than packets that anybody can send.
func (v *recvView) chosen() bool {
	return v.status.Needed > 0 && (v.trust == nil || v.status.Certified)
}

// next tells what becomes of what was received.
func (v *recvView) next() string {
	switch {
	case !v.opts.keeps():
		return ""
	case v.status.Digests == 0 && v.status.Records == 0:
		return "; the next run starts over, since no digests were heard"
	}
	return "; the next run continues from there"
}
