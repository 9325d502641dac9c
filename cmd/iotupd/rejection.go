// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
)

// codes are the exit codes of receivers that received nothing.
var codes = map[reason.Failure]int{
	reason.Silence: cli.ExitSilence, reason.Policy: cli.ExitPolicy, reason.Authenticity: cli.ExitAuthenticity,
}

// onTheAir is what to call a file of which no more is known.
const onTheAir = "the file on the air"

// maxOthers is how many other files are named.
const maxOthers = 5

// aFewPackets may be forged, or the last ones of another transfer, and are no
// reason to warn.
const aFewPackets = 20

// refused warns of an object that is not received, if there is something to do
// about it.
func (v *recvView) refused(e receiver.Refused) {
	if v.opts.follow && e.Why == receiver.ReasonRollback {
		v.warned[e.Why] = true // what is installed may well be on the air
		e.Why = receiver.ReasonOtherObject
	} else if e.Why == receiver.ReasonOtherObject && len(v.others) < maxOthers {
		v.others = append(v.others, cmp.Or(e.Name, "object "+e.Object.Short()+"..."))
	}
	if why := reason.Of(e.Why); why.File != "" {
		v.refuse(why, strings.TrimSpace("object "+e.Object.Short()+"... "+e.Name))
		return
	}
	v.out.Decision("also on the air: object %s  %s", e.Object, e.Name)
}

// checkRefused warns of packets that are ignored before it is known what object
// they are of, or because it is another one, as long as nothing better is heard.
func (v *recvView) checkRefused(now time.Time) {
	if v.status.Needed > 0 {
		return
	}
	for _, r := range []proto.Reason{receiver.ReasonTooLarge, seal.ReasonSeal, receiver.ReasonSealed, receiver.ReasonUnsealed} {
		if v.tellNow(r) {
			v.refuse(reason.Of(r), onTheAir)
		}
	}
	// The wanted one may be about to show itself, and a follower waits for it.
	if !v.opts.follow && now.Sub(v.idle) >= silentAfter && v.tellNow(receiver.ReasonOtherObject) {
		v.warned[receiver.ReasonOtherObject] = true
		v.out.Warn(cli.Warning{Code: string(receiver.ReasonOtherObject), Text: v.onlyOthers(), Fix: "iotupd inspect   # on the same channel: lists what is sent here"})
	}
}

// tellNow reports whether it is time for the one warning of a reason.
func (v *recvView) tellNow(r proto.Reason) bool {
	return v.status.Ignored[r] >= aFewPackets && !v.warned[r]
}

// onlyOthers names the other files that are on the air, as far as they are known.
func (v *recvView) onlyOthers() string {
	if len(v.others) == 0 {
		return "only other objects than the wanted one are sent here"
	}
	more := ""
	if len(v.others) == maxOthers {
		more = " and perhaps more"
	}
	return "only other files than the wanted one are sent here: " + strings.Join(v.others, ", ") + more
}

// rejected counts the packets that a warning explains.
func (v *recvView) rejected() (n uint64) {
	for why := range v.warned {
		n += v.status.Ignored[why]
	}
	return n
}

// refuse warns of a file.
func (v *recvView) refuse(why reason.Explanation, file string) {
	v.warned[why.Reason] = true
	v.out.Warn(cli.Warning{Code: string(why.Reason), Text: file + " " + why.File})
}

// whyNothing returns the error of a receiver that gave up with nothing to
// receive: with what explains it, else with nothing.
func (v *recvView) whyNothing(gaveUp, nothing string, code int) error {
	text, own := v.instead()
	if text == "" {
		return cli.WithCode(code, errors.New(nothing))
	}
	if own != cli.ExitSilence {
		code = own
	}
	return cli.WithCode(code, fmt.Errorf("%s: %s", gaveUp, text))
}

// instead tells what was heard and is not to be received, and the exit code for
// that. The text is empty if there is nothing to tell.
func (v *recvView) instead() (text string, exit int) {
	for why := range reason.All() {
		if why.File != "" && v.status.Ignored[why.Reason] > 0 {
			return onTheAir + " " + why.File, codes[why.Failure]
		}
	}
	if v.status.Ignored[receiver.ReasonOtherObject] > 0 {
		return v.onlyOthers(), cli.ExitSilence
	}
	return "", cli.ExitSilence
}
