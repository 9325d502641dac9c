// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"context"
	"sync"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/listeners"
)

// watch starts to watch for those who listen, if --when-listened asks for it.
// What it finds goes to v.listened, from which nothing but the latest can be
// read, until stop is called or ctx ends.
func (v *sendView) watch(ctx context.Context) (stop func(), err error) {
	if !v.opts.listened {
		return func() {}, nil
	}
	if v.opts.hops > 1 {
		v.Out.Warn(cli.Warning{Code: "listeners-beyond-router", Text: "receivers behind a router are not noticed, unless it reports for them, " +
			"as an IGMP or MLD proxy does and PIM does not"})
	}
	w, err := listeners.Open(listeners.Config{Interface: v.way.Interface.Name, Group: v.way.Group, Logger: v.Out.Logger()})
	if err != nil {
		return nil, err
	}
	news := make(chan bool, 1)
	v.listened = news
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		w.Run(ctx, func(listened bool) {
			select {
			case <-news: // is out of date
			default:
			}
			news <- listened
		})
	})
	return func() { cancel(); running.Wait() }, nil
}

// pause tells when sending pauses for want of listeners, and when it goes on.
func (v *sendView) pause(paused bool) {
	switch {
	case paused == v.paused:
		return
	case paused:
		v.Out.Event("paused", struct{}{})
		v.Out.Line("paused: nobody listens")
	default:
		v.Out.Event("resumed", struct{}{})
		v.Out.Line("resumed: somebody listens")
	}
	v.paused = paused
}
