// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/reason"
)

// warnBeyondRouter says which receivers --when-listened does not notice.
func (v *sendView) warnBeyondRouter() {
	if v.opts.cfg.Network.HopLimit > 1 {
		v.out.Warn(cli.Warning{Code: reason.ListenersBeyondRouter, Text: "receivers behind a router are not noticed, unless it reports for them, " +
			"as an IGMP or MLD proxy does and PIM does not"})
	}
}

// pause tells when sending pauses for want of listeners, and when it goes on.
func (v *sendView) pause(paused bool) {
	switch {
	case paused == v.paused:
		return
	case paused:
		v.out.Event("paused", struct{}{})
		v.out.Line("paused: nobody listens")
	default:
		v.out.Event("resumed", struct{}{})
		v.out.Line("resumed: somebody listens")
	}
	v.paused = paused
}
