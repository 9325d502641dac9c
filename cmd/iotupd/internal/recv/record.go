// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"fmt"
	"os"

	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/internal/reason"
	"iotupd/internal/seqno"
	"iotupd/receiver"
)

// reorderWindow is how many packets one may be overtaken by before it counts as
// lost in a trace.
const reorderWindow = 256

// A recorder records which packets of one stream were lost: of the first stream
// from which a packet arrives, of one sender on one layer and one interface.
// Other streams add little, since most losses are near the receiver. Its zero
// value is ready.
type recorder struct {
	trace  simnet.Trace
	stream recordedStream // zero: none was heard yet

	next   uint32              // sequence number after the highest heard
	window int                 // packets up to next that may still arrive
	heard  [reorderWindow]bool // which of them have arrived, by sequence number
	full   bool                // the trace has no room
}

type recordedStream struct {
	receiver.Origin
	layer int
	known bool
}

// hear takes a packet of any stream.
func (r *recorder) hear(p *receiver.Heard) {
	stream := recordedStream{p.Origin, p.Layer, true}
	if !r.stream.known {
		r.stream, r.next = stream, p.Seq
	}
	if stream != r.stream || r.full {
		return
	}
	switch ahead := seqno.Ahead(p.Seq, r.next); {
	case seqno.IsJump(ahead):
		r.settle(r.window)
		r.next = p.Seq
	case ahead < -int64(r.window):
		return // its fate is written down, or it was sent before the first
	case ahead < 0:
		r.heard[p.Seq%reorderWindow] = true
		return
	}
	for r.next != p.Seq {
		r.push(false)
	}
	r.push(true)
}

// push adds one packet to the window. If the window is full, the oldest packet is
// recorded as received or lost.
func (r *recorder) push(heard bool) {
	if r.window == reorderWindow {
		r.settle(1)
	}
	r.heard[r.next%reorderWindow] = heard
	r.window++
	r.next++
}

// settle writes down the fates of the n oldest packets in the window.
func (r *recorder) settle(n int) {
	for ; n > 0; n-- {
		add := r.trace.AddLost
		if r.heard[(r.next-uint32(r.window))%reorderWindow] {
			add = r.trace.AddReceived
		}
		if add(1) != nil {
			r.full = true
		}
		r.window--
	}
}

// A recording is a trace on its way to a file. Its zero value has no file.
type recording struct {
	recorder
	file *os.File
}

// open makes the file, so that a wrong name is reported at once.
func (r *recording) open(path string) (err error) {
	if r.file, err = os.Create(path); err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("--record %s: %w", path, durable.Cause(err)))
	}
	return nil
}

// take is agent.Config.Heard.
func (r *recording) take(packets []receiver.Heard) {
	for i := range packets {
		r.hear(&packets[i])
	}
}

// close writes the file.
func (r *recording) close(out *cli.Output) error {
	r.settle(r.window)
	_, err := r.file.Write(r.trace.AppendTo(nil))
	if e := r.file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("--record %s: %w", r.file.Name(), durable.Cause(err)))
	}
	if r.full {
		out.Warn(cli.Warning{Code: reason.TraceFull, Text: fmt.Sprintf("%s has no room for more than the first %d packets", r.file.Name(), r.trace.Packets())})
	}
	out.Decision("recorded %d packets, of which %d were lost, in %s", r.trace.Packets(), r.trace.Lost(), r.file.Name())
	return nil
}
