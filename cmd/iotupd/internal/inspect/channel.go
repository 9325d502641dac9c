// SPDX-License-Identifier: GPL-2.0-or-later

package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver/monitor"
	"iotupd/receiver/multicast"
)

// A channelView listens, and shows what it heard.
type channelView struct {
	opts    options
	out     *cli.Output
	trusted []proto.PublicKey
	monitor *monitor.Monitor
}

// errOver ends the time of --for.
var errOver = errors.New("the time is over")

// run listens for the time of --for, or until ctx ends, and shows what was heard.
func (v *channelView) run(ctx context.Context) error {
	cfg, err := v.opts.Config(32 << 20)
	if err != nil {
		return err
	}
	cfg.Logger = v.out.Log()
	l, err := multicast.Listen(cfg)
	if err != nil {
		return err
	}
	place := l.Place()
	v.opts.Show(v.out, place)
	begin := time.Now()
	limit, cancel := context.WithTimeoutCause(ctx, v.opts.listen, errOver)
	defer cancel()
	stopped := monitor.Run(limit, v.monitor, l, func(now time.Time) {
		if v.out.ProgressDue(now) {
			v.out.ProgressLine(fmt.Sprintf(" %s  %d packets  %d objects",
				quantity.Duration(now.Sub(begin)), v.monitor.Datagrams, len(v.monitor.Objects)))
		}
	})
	v.show(time.Now(), l.Stats().KernelDrops)
	absent := l.Absent()
	signed := slices.ContainsFunc(v.monitor.Objects, func(o *monitor.Object) bool { return o.Signed })
	switch {
	case !errors.Is(stopped, errOver):
		return stopped
	case len(v.monitor.Objects) == 0 && absent != nil:
		return absent
	case len(v.monitor.Objects) == 0:
		return cli.WithCode(cli.ExitSilence, fmt.Errorf("nothing was heard within %s on %s", quantity.Duration(v.opts.listen), listen.Where(place.Interfaces)))
	case len(v.trusted) > 0 && !signed:
		return cli.WithCode(cli.ExitAuthenticity, errors.New("no key of --trust has signed any of this"))
	}
	return nil
}

// show prints what was heard until now.
func (v *channelView) show(now time.Time, drops uint64) {
	print := func(format string, args ...any) { v.out.Result(fmt.Sprintf(format+"\n", args...)) }
	m := v.monitor
	objects := m.Listing()
	for _, o := range objects {
		e := newHeardEvent(m, o, now, v.trusted)
		v.out.Final("heard", e, "")
		print("%s", e.text()) // and an empty line
	}
	v.list(now, print)
	v.files(print)
	end := listenedEvent{
		Objects: len(objects), Listed: len(m.Listed()), Datagrams: m.Datagrams, Beyond: m.Beyond,
		OwnDrops: drops, Ignored: describe.Ignored(m.Ignored),
	}
	v.out.Final("listened", end, "")
	if end.Beyond > 0 {
		print("and %d packets of more objects", end.Beyond)
	}
	if len(end.Ignored) > 0 {
		print("ignored: %s", counts(end.Ignored))
	}
	if drops > 0 {
		print("this host dropped %d packets itself, which count as lost", drops)
	}
}

// list prints the objects of a catalogue.
func (v *channelView) list(now time.Time, print func(format string, args ...any)) {
	all := v.monitor.Listed()
	if len(all) == 0 {
		return
	}
	heard := make(map[proto.ObjectID]bool)
	for _, o := range v.monitor.Objects {
		heard[o.ID] = true
	}
	print("catalogue   %d objects", len(all))
	for _, l := range all {
		v.out.Final("entry", entryEvent{Object: l.Object.String(), Heard: heard[l.Object], Manifest: describe.NewManifestEvent(l.Manifest, v.trusted, now)}, "")
		print("  %s", describe.Listed(l.Manifest))
	}
	print("")
}
