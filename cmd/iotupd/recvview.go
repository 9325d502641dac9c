// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/diagnose"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/multicast"
)

// A recvView shows a transfer, and ends it when the user's patience, as the
// flags state it, is over. All its methods run on the receiver's loop.
type recvView struct {
	opts      recvOptions
	out       *cli.Output
	listener  multicast.Listener
	silence   *silence
	core      *receiver.Receiver
	recording *recording // nil: none

	trust     *trust // nil: no --trust
	certified func(m *proto.Manifest, signers []proto.PublicKey)
	dropped   func()

	start     time.Time
	first     time.Time // the first packet of the object
	held      bool      // K shards of every group are there
	collected time.Time // the manifest was, too
	manifest  *proto.Manifest
	signers   []proto.PublicKey // of manifest; nil: not verified
	status    receiver.Status
	from      receiver.Origin // of the first packet
	arrival   cli.Speed       // of packets of the object
	gain      cli.Speed       // of shards held

	idle     time.Time // since when there is no object
	heard    time.Time // when packets of the object were last seen to arrive
	useful   uint64    // such packets, then
	level    int       // of layers that are received
	drops    uint64    // packets that this host lost while it still wanted any
	ownDrops bool      // the user was warned of them
	overRate bool      // the user was warned that --max-rate has no effect
	warned   map[proto.Reason]bool
	others   []string // files on the air that are not the wanted one
	later    bool     // --follow has received a release before
}

func newRecvView(opts recvOptions, out *cli.Output, l multicast.Listener) *recvView {
	now := time.Now()
	v := &recvView{
		opts: opts, out: out, listener: l,
		silence: newSilence(now),
		start:   now, idle: now, heard: now,
		warned: make(map[proto.Reason]bool),
	}
	return v
}

// listening prints where the receiver listens. A search for senders does so itself,
// whenever that changes.
func (v *recvView) listening() {
	if v.opts.dnsName == "" {
		v.opts.Show(v.out, v.listener.Place())
	}
}

// where names the interfaces that are listened on.
func (v *recvView) where() string { return listen.Where(v.listener.Place().Interfaces) }

// origin returns who sent the first packet, and the interface it came in by,
// as far as they are known.
func (v *recvView) origin() (from, iface string) {
	if v.from.From.IsValid() {
		from = v.from.From.Addr().WithZone("").String()
	}
	if ifi, err := net.InterfaceByIndex(v.from.Interface); err == nil {
		iface = ifi.Name
	}
	return from, iface
}

// observe is receiver.Config.Observe.
func (v *recvView) observe(now time.Time, e receiver.Event) {
	switch e := e.(type) {
	case receiver.ObjectFound:
		v.first, v.manifest, v.from = now, nil, e.From
		v.arrival = cli.Speed{}
		v.arrival.Add(now, 0)
		v.restart(now)
		v.found(e)
	case receiver.Certified:
		v.manifest, v.signers = e.Manifest, e.Signers
		v.object(e.Manifest)
		v.certified(e.Manifest, e.Signers)
		v.complete(now)
	case receiver.Dropped:
		v.idle = now
		v.dropped()
		v.out.Line("object %s... given up: %s", e.Object.Short(), e.Why)
	case receiver.Refused:
		v.refused(e)
	case receiver.Resumed:
		v.resumed(e)
	case receiver.Forged:
		v.out.Decision("group %d: %d forged shards were stored; they are dropped, and come again", e.Group, e.Shards)
	case receiver.GroupDecoded:
		if v.opts.Verbose > 1 {
			v.out.Line("group %d: %d shards rebuilt", e.Group, e.Rebuilt)
		}
	case receiver.Collected:
		v.held = true
		v.complete(now)
	case receiver.Corrupt:
		v.out.Warn(cli.Warning{Code: "corrupt", Text: fmt.Sprintf("the SHA-256 of the file is wrong, attempt %d: "+
			"forged packets, or a sender whose file changed", e.Attempt)})
		v.restart(now)
	}
}

// restart notes that there is something to receive again. However long the
// check of a corrupt file took, the stream has not been silent since.
func (v *recvView) restart(now time.Time) {
	v.held, v.collected, v.heard = false, time.Time{}, now
	v.gain = cli.Speed{}
	v.gain.Add(now, 0)
}

// found tells of the first packet of an object.
func (v *recvView) found(e receiver.ObjectFound) {
	object := describe.NewObjectEvent(e.Object, e.Params)
	object.From, object.Interface = v.origin()
	v.out.Event("found", object)
	v.out.Decision("found object %v  %v  code %v, groups of %d+%d shards of %d bytes", e.Object, quantity.Size(e.Params.Size),
		e.Params.Code, e.Params.K, e.Params.M, e.Params.ShardSize)
}

// object tells what is being received.
func (v *recvView) object(m *proto.Manifest) {
	d := m.Descriptor
	e := receivedEvent{ObjectEvent: describe.NewObjectEvent(d.Object(), d.Params), Version: m.Version}
	e.Name, e.SHA256 = m.Name, hex.EncodeToString(d.SHA256[:])
	e.From, e.Interface = v.origin()
	e.Verified, e.SignedBy, e.Sequence = v.verified(m)
	v.out.Event("object", e)
	from := ""
	if e.From != "" {
		from = fmt.Sprintf("  from %s on %s", e.From, e.Interface)
	}
	v.out.Line("%s  %v  object %s...%s   %s", displayName(m, ""), quantity.Size(d.Size), d.Object().Short(), from, v.whose())
}

// whose says for a person how far the origin of the object is known.
func (v *recvView) whose() string {
	switch {
	case v.trust != nil:
		return v.trust.signedBy(v.signers)
	case v.opts.object != "":
		return "as --object names it"
	case v.opts.sha256 != "":
		return "as --sha256 names it"
	}
	return "origin not verified (no --trust)"
}

// verified is whose for JSON, which names one key. What is not signed has no
// sequence.
func (v *recvView) verified(m *proto.Manifest) (ok bool, signer string, sequence uint64) {
	if v.trust == nil {
		return v.opts.object != "" || v.opts.sha256 != "", "", 0
	}
	return true, v.signers[0].ID.String(), m.Sequence
}

// resumed tells what an earlier run, or an older version of the file, spares.
func (v *recvView) resumed(e receiver.Resumed) {
	if e.Shards+e.Reused == 0 {
		return
	}
	v.out.Event("resumed", resumedEvent{Object: v.core.Progress().Object.String(), Resumed: e.Shards, Reused: e.Reused})
	v.out.Line("continuing:%s", spared(e.Shards, e.Reused))
}

// spared tells how many shards needed not be received, if any.
func spared(resumed, reused uint64) string {
	s := ""
	if resumed > 0 {
		s += fmt.Sprintf("  %d shards were there already", resumed)
	}
	if reused > 0 {
		s += fmt.Sprintf("  %d shards from --reuse", reused)
	}
	return s
}

// complete notes when all that has to come over the network is there.
func (v *recvView) complete(now time.Time) {
	if !v.held || v.manifest == nil {
		return
	}
	v.countDrops()
	v.collected = now
	p := v.core.Progress()
	v.out.Event("collected", collectedEvent{
		Seconds: now.Sub(v.first).Seconds(),
		Data:    p.Data, Parity: p.Parity, Digests: p.Digests, Outlines: p.Outlines, Manifests: p.Manifests,
		Spanned: p.Loss.Spanned, Lost: p.Loss.Lost,
	})
}

// report is receiver.RunOptions.Report.
func (v *recvView) report(now time.Time, s receiver.Status) error {
	v.status = s
	if n := s.Data + s.Parity + s.Digests + s.Outlines + s.Manifests; n != v.useful {
		v.useful, v.heard = n, now
	}
	if v.level < 0 {
		v.heard = now // this silence was chosen
	}
	v.arrival.Add(now, v.useful)
	v.gain.Add(now, s.Held)
	v.checkBuffer()
	v.checkRefused(now)
	if v.out.ProgressDue(now) {
		v.progress(now)
	}
	if text, findings := v.silence.check(now, v); text != "" {
		v.out.Line("%s", text)
		for _, f := range findings {
			v.out.Warn(cli.Warning{Code: f.Code, Text: f.Text, Fix: f.Fix})
		}
	}
	return v.patience(now)
}

// countDrops updates drops. What overflows while the file is decoded and
// verified is nobody's loss.
func (v *recvView) countDrops() {
	if v.collected.IsZero() {
		v.drops = v.listener.Stats().KernelDrops
	}
}

// checkBuffer warns once when the own host, not the network, loses packets.
func (v *recvView) checkBuffer() {
	v.countDrops()
	if v.drops == 0 || v.ownDrops {
		return
	}
	v.ownDrops = true
	granted, wanted := v.buffer()
	v.out.Warn(cli.Warning{
		Code: "own-drops",
		Text: fmt.Sprintf("this host drops packets itself: it is too slow, or its receive buffer of %v too small", granted),
		Fix:  diagnose.BufferFix(granted, wanted),
	})
}

// buffer returns the smallest receive buffer that was granted, and what was
// asked for. Linux reads back twice that.
func (v *recvView) buffer() (granted, wanted quantity.Size) {
	granted = quantity.Size(v.listener.Stats().ReceiveBuffer)
	if runtime.GOOS == "linux" {
		granted /= 2
	}
	return granted, v.opts.buffer
}

// progress prints how far it is.
func (v *recvView) progress(now time.Time) {
	s := v.status
	switch {
	case s.Needed == 0:
		v.out.WaitingLine(fmt.Sprintf(" nothing heard for %s", quantity.Duration(now.Sub(v.heard))))
		return
	case !v.collected.IsZero():
		v.out.ProgressLine(" 100%  decoding and verifying")
		return
	}
	left := v.gain.Left(s.Needed - s.Held)
	v.out.Event("progress", progressEvent{
		Object: s.Object.String(), Held: s.Held, Needed: s.Needed, Groups: s.Groups, Complete: s.Decoded,
		Resumed: s.Resumed, Reused: s.Reused, Forged: v.forged(),
		Rate: v.rate(), LossRatio: s.Loss.Ratio(), Seconds: left.Seconds(),
		OwnDrops: v.drops, Ignored: describe.Ignored(s.Ignored),
	})
	line := fmt.Sprintf(" %2d%%  %v of %v  %v  loss %.1f%%", 100*s.Held/s.Needed,
		quantity.Size(min(s.Held*uint64(s.Params.ShardSize), s.Params.Size)), quantity.Size(s.Params.Size),
		quantity.Rate(v.rate()), 100*s.Loss.Ratio())
	switch silent := now.Sub(v.heard); {
	case s.Held == s.Needed && !v.chosen():
		line += "  waiting for a signed manifest"
	case silent >= 2*time.Second:
		line += "  silent for " + quantity.Duration(silent)
	case left > 0:
		line += "  ETA " + quantity.Duration(left)
	}
	v.out.ProgressLine(line)
}

// rate returns the bit rate at which IP packets of the object arrive.
func (v *recvView) rate() float64 {
	h := proto.Header{Params: v.status.Params}
	return v.arrival.PerSecond() * float64(8*(h.DatagramLen()+proto.Overhead(v.from.From.Addr())))
}

// failure explains why a transfer ended without its file.
func (v *recvView) failure(err error) error {
	if errors.As(err, new(cli.SignalError)) {
		v.out.Line("%s", v.stopped())
	}
	return err
}

// forged counts the shards that were not what their leaves say.
func (v *recvView) forged() uint64 {
	return v.status.Forged + v.status.Ignored[receiver.ReasonForged]
}

// newDoneEvent tells all that m does.
func (v *recvView) newDoneEvent(path string, m *proto.Manifest) doneEvent {
	d := m.Descriptor
	e := doneEvent{
		Object: d.Object().String(), Name: m.Name, Path: path, Bytes: d.Size,
		SHA256: hex.EncodeToString(d.SHA256[:]), Version: m.Version,
	}
	e.Verified, e.SignedBy, e.Sequence = v.verified(m)
	return e
}

// haveIt prints that there was nothing to receive, and returns the result.
func (v *recvView) haveIt(path string, m *proto.Manifest) doneEvent {
	e := v.newDoneEvent(path, m)
	e.Had = true
	v.out.Event("done", e)
	v.out.Line("ok  %s  has the content already", path)
	return e
}

// done prints the result, and returns it.
func (v *recvView) done(path string, m *proto.Manifest) doneEvent {
	s, d := v.status, m.Descriptor
	took := time.Since(v.first)
	rate := float64(8*d.Size) / took.Seconds()
	e := v.newDoneEvent(path, m)
	e.Seconds, e.Collected, e.Rate = took.Seconds(), v.collected.Sub(v.first).Seconds(), rate
	e.Needed, e.Rebuilt, e.Resumed, e.Reused, e.Forged = s.Needed, s.Rebuilt, s.Resumed, s.Reused, v.forged()
	e.Data, e.Parity, e.Digests, e.Outlines, e.Manifests = s.Data, s.Parity, s.Digests, s.Outlines, s.Manifests
	e.Spanned, e.Lost, e.Dropped, e.OwnDrops, e.Ignored = s.Loss.Spanned, s.Loss.Lost, s.Dropped, v.drops, describe.Ignored(s.Ignored)
	v.out.Event("done", e)
	verb := "ok"
	if v.opts.dryRun {
		verb = "ok (dry run, nothing written)"
	}
	extra := spared(s.Resumed, s.Reused)
	if n := v.forged(); n > 0 {
		extra += fmt.Sprintf("  forged %d dropped", n)
	}
	v.out.Line("%s  %s  %v in %s  %v  loss %.1f%%: %d packets lost, %d shards rebuilt  own drops %d%s",
		verb, displayName(m, path), quantity.Size(d.Size), quantity.Duration(took), quantity.Rate(rate),
		100*s.Loss.Ratio(), s.Loss.Lost, s.Rebuilt, v.drops, extra)
	return e
}

// displayName is what to call a file for a person.
func displayName(m *proto.Manifest, path string) string {
	switch {
	case path != "" && path != "-":
		return path
	case m != nil && m.Name != "":
		return m.Name
	}
	return "(no name)"
}
