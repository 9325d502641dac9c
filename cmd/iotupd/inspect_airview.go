// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/receiver"
)

// An airView listens, and shows what it heard.
type airView struct {
	opts inspectOptions
	out  *cli.Output

	listener listener

	mu     sync.Mutex // guards what follows while there are readers
	air    *air
	layers int // that are listened to
}

// run listens for the time of --for, or until ctx ends, and shows what was heard.
func (v *airView) run(ctx context.Context) error {
	asked := recvOptions{
		ChannelOptions: v.opts.ChannelOptions, interfaces: v.opts.interfaces,
		groups: v.opts.groups, sources: v.opts.sources, buffer: 32 << 20,
	}
	cfg, err := asked.listenConfig()
	if err != nil {
		return err
	}
	cfg.Logger = v.out.Logger()
	l, err := mcast.Listen(cfg)
	if err != nil {
		return cli.WithCode(cli.ExitNetwork, err)
	}
	v.listener, v.layers = listener{l, cfg}, 1
	shown := newRecvView(asked, v.out, v.listener, cfg.Sources)
	shown.listening()
	where := shown.where()
	stopped := v.listen(ctx)
	drops := l.Stats().KernelDrops
	v.show(time.Now(), drops)
	signed := slices.ContainsFunc(v.air.objects, func(o *heardObject) bool { return o.signer != "" })
	switch {
	case stopped != nil:
		return stopped
	case len(v.air.objects) == 0:
		return cli.WithCode(cli.ExitSilence, fmt.Errorf("nothing was heard within %s on %s", quantity.Duration(v.opts.listen), where))
	case len(v.air.trusted) > 0 && !signed:
		return cli.WithCode(cli.ExitAuthenticity, errors.New("no key of --trust has signed any of this"))
	}
	return nil
}

// listen hears until it is time, and returns what ended it before.
func (v *airView) listen(ctx context.Context) error {
	failed := make(chan error, len(v.listener.Sockets()))
	var readers sync.WaitGroup
	for _, s := range v.listener.Sockets() {
		readers.Go(func() { failed <- v.readFrom(s) })
	}
	defer readers.Wait()
	defer v.listener.Close()
	over := time.NewTimer(v.opts.listen)
	defer over.Stop()
	refresh := time.NewTicker(cli.LiveEvery)
	defer refresh.Stop()
	begin := time.Now()
	for {
		select {
		case now := <-refresh.C:
			if v.out.ProgressDue(now) {
				v.mu.Lock()
				line := fmt.Sprintf(" %s  %d packets  %d objects", quantity.Duration(now.Sub(begin)), v.air.datagrams, len(v.air.objects))
				v.mu.Unlock()
				v.out.ProgressLine(line)
			}
		case err := <-failed:
			return cli.WithCode(cli.ExitNetwork, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over.C:
			return nil
		}
	}
}

// readFrom hears what arrives on one socket until that is closed.
func (v *airView) readFrom(s *mcast.Socket) error {
	b := mcast.NewBatch(readMessages)
	for {
		if err := s.ReadBatch(b); errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		now := time.Now()
		v.mu.Lock()
		for i := range b.Len() {
			v.air.hear(now, receiver.Origin{From: b.From(i), Interface: b.Interface(i)}, b.Datagram(i))
		}
		err := v.follow()
		v.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// follow listens to all layers that were announced. The caller holds v.mu.
func (v *airView) follow() error {
	if v.layers == v.air.layers {
		return nil
	}
	v.layers = v.air.layers
	return v.listener.setLevel(v.layers - 1)
}

// show prints what was heard until now.
func (v *airView) show(now time.Time, drops uint64) {
	print := func(format string, args ...any) { v.out.Result(fmt.Sprintf(format+"\n", args...)) }
	for _, o := range v.air.objects {
		e := newHeardEvent(o, now, v.air.trusted)
		v.out.Event("heard", e)
		print("%s", e.text()) // and an empty line
	}
	end := listenedEvent{
		Objects: len(v.air.objects), Datagrams: v.air.datagrams, Beyond: v.air.beyond,
		OwnDrops: drops, Ignored: describe.Ignored(v.air.ignored),
	}
	v.out.Event("listened", end)
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
