// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/proto/seal"
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
	{receiver.ReasonRollback, cli.ExitPolicy, "%s is older than what was installed last or than --min-sequence, or is another file with the same sequence number; " +
		"sign it with a higher number, or take it by --allow-downgrade"},
	{receiver.ReasonExpired, cli.ExitPolicy, "%s was signed for a time that is over; sign it anew, or set the clock of this host"},
	{receiver.ReasonTarget, cli.ExitPolicy, "%s was signed for other hardware than --target names"},
	{receiver.ReasonChannel, cli.ExitPolicy, "%s was signed for another channel; name that by --channel, or sign it for this one"},
	{receiver.ReasonSignature, cli.ExitAuthenticity, "%s is not signed by a key of --trust; if it should be, look at it by iotupd inspect"},
	{receiver.ReasonTooLarge, cli.ExitPolicy, "%s is larger than --max-size, or cut into so many groups that their index takes too much memory"},
	{seal.ReasonSeal, cli.ExitSilence, "%s is sealed, but not with a key of --group-key"},
	{receiver.ReasonSealed, cli.ExitSilence, "%s is sealed with a group key that is not here; name its file by --group-key"},
	{receiver.ReasonUnsealed, cli.ExitSilence, "%s is not sealed, and --group-key takes only what is"},
}

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
	for _, r := range rejections {
		if r.reason == e.Why {
			v.refuse(r, strings.TrimSpace("object "+e.Object.Short()+"... "+e.Name))
			return
		}
	}
	v.out.Decision("also on the air: object %s  %s", e.Object, e.Name)
}

// checkRefused warns of packets that are ignored before it is known what object
// they are of, or because it is another one, as long as nothing better is heard.
func (v *recvView) checkRefused(now time.Time) {
	if v.status.Needed > 0 {
		return
	}
	for _, r := range rejections {
		switch r.reason {
		case receiver.ReasonTooLarge, receiver.ReasonSealed, receiver.ReasonUnsealed, seal.ReasonSeal:
			if v.tellNow(r.reason) {
				v.refuse(r, "the file on the air")
			}
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
	for reason := range v.warned {
		n += v.status.Ignored[reason]
	}
	return n
}

// refuse warns.
func (v *recvView) refuse(r rejection, what string) {
	v.warned[r.reason] = true
	v.out.Warn(cli.Warning{Code: string(r.reason), Text: fmt.Sprintf(r.text, what)})
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
	for _, r := range rejections {
		if v.status.Ignored[r.reason] > 0 {
			return fmt.Sprintf(r.text, "the file on the air"), r.exit
		}
	}
	if v.status.Ignored[receiver.ReasonOtherObject] > 0 {
		return v.onlyOthers(), cli.ExitSilence
	}
	return "", cli.ExitSilence
}
