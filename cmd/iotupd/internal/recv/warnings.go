// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"errors"
	"fmt"
	"strings"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/diagnose"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
	"iotupd/receiver/multicast"
)

// warn shows what the user should look at, and what to do about it.
func (v *view) warn(e agent.Event) {
	switch e := e.(type) {
	case agent.OwnDrops:
		granted, wanted := quantity.Size(e.Granted), quantity.Size(e.Wanted)
		fix := diagnose.BufferFix(granted, wanted)
		if wanted < v.opts.buffer { // the limit of memory has made it smaller
			fix = "iotupd recv --memory SIZE   # if this host has more: a part of it is for the buffer"
		}
		v.out.Warn(cli.Warning{
			Code: reason.OwnDrops,
			Text: fmt.Sprintf("this host drops packets itself: it is too slow, or its receive buffer of %v too small", granted),
			Fix:  fix,
		})
	case agent.OverRate:
		v.out.Warn(cli.Warning{
			Code: reason.MaxRate,
			Text: fmt.Sprintf("the lowest layer has about %v, more than the %v of --max-rate, and is received anyway", quantity.Rate(e.Rate), v.opts.maxRate),
			Fix:  "iotupd send --layers 4 --rate RATE FILE   # --rate is for the lowest layer",
		})
	case agent.Rejected:
		file := unknownFile
		if e.Object != (proto.ObjectID{}) {
			file = strings.TrimSpace("object " + e.Object.Short() + "... " + e.Name)
		}
		text := file + " " + reason.Of(e.Reason).File
		if e.Memory > 0 {
			text = fmt.Sprintf("%s takes %v of memory at least, more than --memory or this system allows; "+
				"give it more, or have it sent by --profile tiny", file, describe.RecvMemory(e.Memory))
		}
		v.out.Warn(cli.Warning{Code: string(e.Reason), Text: text})
	case agent.AlsoSent:
		if !e.Choice {
			v.out.Decision("another file is sent here, too: object %s  %s", e.Object, e.Name)
			break
		}
		v.out.Warn(cli.Warning{
			Code: reason.AlsoSent, Text: fmt.Sprintf("another file is sent here, too: %s; the file whose manifest came first is received", v.other(e.Object, e.Name, e.Size)),
			Fix: "iotupd recv --object " + e.Object.String() + "   # that one; or --name, or sign and --trust, so that the newer one is received",
		})
	case agent.OtherComponent:
		v.out.Warn(otherComponentWarning(e))
	case agent.OtherVersion:
		v.out.Warn(cli.Warning{
			Code: reason.OtherVersion,
			Text: fmt.Sprintf("%s is sent in another version now (%s), and the one that is being received is silent", e.Name, v.other(e.Object, "", e.Size)),
			Fix:  "stop recv and start it again   # it receives that one; a release that is signed takes over by itself, with --trust",
		})
	case agent.OnlyOthers:
		v.out.Warn(cli.Warning{
			Code: string(receiver.ReasonOtherObject), Text: onlyOthers(e.Instead),
			Fix: "iotupd inspect   # on the same channel: lists what is sent here",
		})
	case agent.PlaceLost:
		v.out.Warn(cli.Warning{Code: lostCode(e.Err), Text: e.Err.Error() + "; the lost part is received again"})
	case agent.TakeOverFailed:
		v.out.Warn(takeOverWarning(e))
	case agent.Silent:
		v.silent(e)
	}
}

// otherComponentWarning says which component is kept to, and what to do if that is the wrong
// one.
func otherComponentWarning(e agent.OtherComponent) cli.Warning {
	file := strings.TrimSpace("object " + e.Object.Short() + "... " + e.Name)
	return cli.Warning{
		Code: reason.OtherComponent,
		Text: fmt.Sprintf("%s is a release of %s, and this receiver keeps to releases of %s", file, describe.Component(e.Component), describe.Component(e.Kept)),
		Fix:  "iotupd recv --follow --component NAME   # which of them this device wants; - is for releases that name none",
	}
}

func takeOverWarning(e agent.TakeOverFailed) cli.Warning {
	return cli.Warning{
		Code: reason.TakeOverFailed, Text: fmt.Sprintf("%s was handed over by recv, and is not installed: %v", displayName(e.Manifest, ""), e.Err),
		Fix: "ls -l DIR   # does another program write to the directory of recv --ready?",
	}
}

// other names another file than the one that is received.
func (v *view) other(id proto.ObjectID, name string, size uint64) string {
	text := "object " + id.Short() + "..."
	if name != "" {
		text += " " + name
	}
	return fmt.Sprintf("%s, %v", text, quantity.Size(size))
}

// silent says that nothing arrives, and why.
func (v *view) silent(e agent.Silent) {
	text := "nothing can arrive, since no multicast group is joined yet; trying again"
	if len(e.Place.Groups) > 0 {
		text = fmt.Sprintf("nothing has arrived for %s; still listening on %s for %s, port %d", quantity.Duration(e.For),
			listen.Where(e.Place.Interfaces), strings.Join(cli.Texts(e.Place.Groups), ", "), e.Place.Port)
	}
	v.out.Line("%s", text)
	for _, c := range e.Causes {
		v.out.Warn(cli.Warning(c))
	}
}

// searched shows what a search for senders has come to.
func (v *view) searched(s agent.Searched) {
	switch e := s.Event.(type) {
	case multicast.Ignored:
		v.out.Decision("DNS: ignored: %s", e.Why)
	case multicast.SearchFailed:
		w := cli.Warning{Code: reason.Discovery, Text: fmt.Sprintf("%v; trying again in %s", searchError(e.Err), quantity.Duration(e.Again))}
		if e.NotFound {
			w.Fix = "iotupd send --print-dns " + s.Name + "   # where the sender runs, prints what DNS should say"
		}
		v.out.Warn(w)
	case multicast.Found:
		v.out.Event("listening", listen.NewEvent(s.Name, e.Place))
		more := ""
		if e.Layers > 1 {
			more += fmt.Sprintf("   %d layers", e.Layers)
		}
		if e.KeyID != "" {
			more += "   signed, as DNS says, by key " + e.KeyID
		}
		v.out.Line("listening on %s   channel %s   priority %d: %s   port %d%s",
			strings.Join(e.Interfaces, ", "), s.Name, e.Priority, strings.Join(e.Senders, ", "), e.Port, more)
	}
}

// lostCode says what happened to the place of a file.
func lostCode(err error) string {
	switch {
	case errors.Is(err, filestore.ErrMoved):
		return reason.DirectoryMoved
	case errors.Is(err, filestore.ErrRemoved):
		return reason.PartialFileRemoved
	case errors.Is(err, filestore.ErrTruncated):
		return reason.PartialFileTruncated
	}
	return reason.PartialFileChanged
}
