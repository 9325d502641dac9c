// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/sender"
)

// slowFor is how long a sender is slower than asked for before a warning.
const slowFor = 3 * time.Second

// boundNames are what JSON calls bounds.
var boundNames = map[sender.Bound]string{sender.ByLink: "link", sender.ByProcessor: "processor", sender.BySource: "source"}

// limitedBy says in a few words what bounds the rate.
func (v *sendView) limitedBy(b sender.Bound) string {
	switch b {
	case sender.ByLink:
		return "limited by the link"
	case sender.ByProcessor:
		return "limited by the processor"
	}
	return "limited by reading the file"
}

// warnSlow warns once for each reason if --rate is not reached for some time. The name
// of the interface is empty if it is the only one.
func (i *interfaceView) warnSlow(v *sendView, now time.Time, name string, p sender.Progress) {
	if p.Bound == sender.ByRate || p.Paused || i.since.IsZero() {
		i.since = now
		return
	}
	if v.opts.cfg.Carousel.Rate == unlimited || p.Bound == i.bound || now.Sub(i.since) < slowFor {
		return
	}
	i.bound = p.Bound
	v.out.Warn(v.slowWarning(name, i.speed.PerSecond(), p.Bound))
}

// slowWarning is about an interface on which so many packets leave in a second.
func (v *sendView) slowWarning(name string, packets float64, b sender.Bound) cli.Warning {
	where := ""
	if name != "" {
		where = " on " + name
	}
	w := cli.Warning{
		Code: reason.RateNotReached,
		Text: fmt.Sprintf("sending at %v%s instead of %v, ", quantity.Rate(packets*v.packetBits()), where, v.opts.totalRate()) + v.limitedBy(b),
	}
	switch b {
	case sender.ByLink:
		w.Fix = "a lower --rate, or --rate max, which keeps the queue of the interface short"
	case sender.ByProcessor:
		w.Fix = "larger packets by --shard-size, or less other work on this host"
	case sender.BySource:
		w.Fix = "a faster disk, or more --memory for what is prepared of the file"
	}
	return w
}
