// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/receiver"
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
		after := quantity.Duration(v.opts.timeout)
		nothing := fmt.Sprintf("%s was heard within %s on %s", what, after, v.where())
		if why := v.listener.Why(); why != nil {
			nothing = fmt.Sprintf("%s was heard within %s: %v", what, after, searchError(why))
		}
		return v.whyNothing(fmt.Sprintf("gave up after %s on %s", after, v.where()), nothing, cli.ExitSilence)
	case s.Needed == 0 || v.opts.stall == 0 || !v.collected.IsZero() || silent < v.opts.stall:
		return nil
	case !v.chosen():
		gaveUp := "the stream has been silent for " + quantity.Duration(v.opts.stall)
		return v.whyNothing(gaveUp, "nothing that is signed was heard, and "+gaveUp, cli.ExitIncomplete)
	}
	return cli.WithCode(cli.ExitIncomplete, fmt.Errorf("incomplete: the stream has been silent for %s, with %d of %d shards at hand%s",
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

// stopped tells a user who stopped it how far it had come.
func (v *recvView) stopped() string {
	v.status.Progress = v.core.Progress() // that of the last report may be of before
	text, _ := v.instead()
	switch {
	case v.status.Needed > 0:
		return fmt.Sprintf("stopped with %d of %d shards%s", v.status.Held, v.status.Needed, v.next())
	case v.later || v.opts.follow && v.status.Ignored[receiver.ReasonRollback] > 0:
		return "stopped; no newer release was heard"
	case text != "":
		return "stopped; " + text
	}
	return "stopped; nothing was heard"
}
