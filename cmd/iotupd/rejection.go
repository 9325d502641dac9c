// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"strings"

	"iotupd/internal/seal"
	"iotupd/proto"
	"iotupd/receiver"
)

// A rejection is why what is on the air is not received, if the user can do
// something about it. Its reason is the code of the warning.
type rejection struct {
	reason proto.Reason
	exit   int    // the code if nothing else is heard
	text   string // %s: what is refused
}

// rejections are in the order in which they explain that a receiver gave up: what
// was signed by a trusted key goes before what anybody may have sent.
var rejections = []rejection{
	{receiver.ReasonRollback, exitPolicy, "%s is older than what was installed last or than --min-sequence, or is another file with the same sequence number; " +
		"sign it with a higher number, or take it by --allow-downgrade"},
	{receiver.ReasonExpired, exitPolicy, "%s was signed for a time that is over; sign it anew, or set the clock of this host"},
	{receiver.ReasonTarget, exitPolicy, "%s was signed for other hardware than --target names"},
	{receiver.ReasonChannel, exitPolicy, "%s was signed for another channel; name that by --channel, or sign it for this one"},
	{receiver.ReasonSignature, exitAuthenticity, "%s is not signed by a key of --trust; if it should be, look at it by iotupd inspect"},
	{receiver.ReasonTooLarge, exitPolicy, "%s is larger than --max-size, or cut into so many groups that their index takes too much memory"},
	{seal.ReasonSeal, exitSilence, "%s is sealed, but not with a key of --group-key"},
	{receiver.ReasonSealed, exitSilence, "%s is sealed with a group key that is not here; name its file by --group-key"},
	{receiver.ReasonUnsealed, exitSilence, "%s is not sealed, and --group-key takes only what is"},
}

// aFewPackets may be forged, or the last ones of another transfer, and are no
// reason to warn.
const aFewPackets = 20

// refused warns of an object that is not received, if there is something to do
// about it.
func (v *recvView) refused(e receiver.Refused) {
	if v.opts.follow && e.Why == receiver.ReasonRollback {
		v.warned[e.Why] = true // what is installed may well be on the air
		e.Why = receiver.ReasonOtherObject
	}
	for _, r := range rejections {
		if r.reason == e.Why {
			v.refuse(r, strings.TrimSpace("object "+e.Object.Short()+"... "+e.Name))
			return
		}
	}
	v.out.decision("also on the air: object %s  %s", e.Object, e.Name)
}

// checkRefused warns of packets that are ignored before it is known what object
// they are of, as long as nothing better is heard.
func (v *recvView) checkRefused() {
	if v.status.Needed > 0 {
		return
	}
	for _, r := range rejections {
		switch r.reason {
		case receiver.ReasonTooLarge, receiver.ReasonSealed, receiver.ReasonUnsealed, seal.ReasonSeal:
			if v.status.Ignored[r.reason] >= aFewPackets && !v.warned[r.reason] {
				v.refuse(r, "the file on the air")
			}
		}
	}
}

// rejected counts the packets that a warning explains.
func (v *recvView) rejected() (n uint64) {
	for reason := range v.warned {
		n += v.status.Ignored[reason]
	}
	return n
}

// refuse warns.
func (v *recvView) refuse(r rejection, what string) {
	v.warned[r.reason] = true
	v.out.warn(warning{Code: string(r.reason), Text: fmt.Sprintf(r.text, what)})
}

// whyNothing returns the error of a receiver that gave up with nothing to
// receive.
func (v *recvView) whyNothing(gaveUp string) error {
	for _, r := range rejections {
		if v.status.Ignored[r.reason] > 0 {
			return withCode(r.exit, fmt.Errorf("%s: "+r.text, gaveUp, "the file on the air"))
		}
	}
	return withCode(exitSilence, errors.New(gaveUp))
}
