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

type pausedEvent struct {
	Interface string `json:"interface,omitempty"` // if there are several
}

// pause prints when sending pauses because nobody listens, and when it goes on.
// The name of an interface is empty if it is the only one.
func (i *interfaceView) pause(out *cli.Output, name string, paused bool) {
	where := ""
	if name != "" {
		where = " on " + name
	}
	switch {
	case paused == i.paused:
		return
	case paused:
		out.Event("paused", pausedEvent{name})
		out.Line("paused: nobody listens%s", where)
	default:
		out.Event("continued", pausedEvent{name})
		out.Line("resumed: somebody listens%s", where)
	}
	i.paused = paused
}
