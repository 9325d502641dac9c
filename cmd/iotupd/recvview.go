// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"iotupd/internal/mcast"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
)

// tooLargeAfter is how long objects over --max-size may be all that is heard.
const tooLargeAfter = 3 * time.Second

// A recvView shows a transfer, and ends it when the user's patience, as the
// flags state it, is over. All its methods run on the receiver's loop.
type recvView struct {
	opts     recvOptions
	out      *output
	listener *mcast.Listener
	groups   mcast.ListenConfig
	silence  *silence

	certified func(*proto.Manifest)

	start     time.Time
	first     time.Time // the first packet of the object
	collected time.Time
	manifest  *proto.Manifest
	status    receiver.Status
	speed     speed

	heard    time.Time // when packets of the object were last seen to arrive
	useful   uint64    // such packets, then
	tooLarge time.Time // since when that is all there is
	warned   map[string]bool
}

func newRecvView(opts recvOptions, out *output, l *mcast.Listener, groups mcast.ListenConfig) *recvView {
	now := time.Now()
	return &recvView{
		opts: opts, out: out, listener: l, groups: groups,
		silence: newSilence(now),
		start:   now, heard: now,
		warned: map[string]bool{},
	}
}

// joinedInterfaces lists where at least one group was joined.
func (v *recvView) joinedInterfaces() (names []string) {
	for _, m := range v.listener.Memberships() {
		if m.Err == nil && !slices.Contains(names, m.Interface) {
			names = append(names, m.Interface)
		}
	}
	return names
}

type listeningEvent struct {
	Interfaces    []string `json:"interfaces"`
	Groups        []string `json:"groups"`
	Sources       []string `json:"sources,omitempty"`
	Channel       string   `json:"channel"`
	Port          uint16   `json:"port"`
	ReceiveBuffer int      `json:"receive_buffer_bytes"`
}

// listening prints where the receiver listens: the first thing support asks.
func (v *recvView) listening() {
	names := v.joinedInterfaces()
	e := listeningEvent{
		Interfaces: names, Channel: v.opts.channel, Port: v.opts.port,
		Groups: texts(v.groups.Groups), Sources: texts(v.groups.Sources),
		ReceiveBuffer: v.listener.Stats().ReceiveBuffer,
	}
	v.out.event("listening", e)
	where := "channel " + v.opts.channel
	if len(v.opts.groups) > 0 {
		where = "groups " + strings.Join(e.Groups, ", ")
	}
	if len(e.Sources) > 0 {
		where += "   sources " + strings.Join(e.Sources, ", ")
	}
	v.out.line("listening on %s   %s   port %d", strings.Join(names, ", "), where, v.opts.port)
	v.out.decision("groups %s   receive buffer %v", strings.Join(e.Groups, ", "), quantity.Size(e.ReceiveBuffer))
}

func texts[T fmt.Stringer](values []T) []string {
	s := make([]string, len(values))
	for i, x := range values {
		s[i] = x.String()
	}
	return s
}

type objectEvent struct {
	Object string `json:"object"`
	Name   string `json:"name,omitempty"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
	Code   string `json:"code"`
	K      int    `json:"k"`
	M      int    `json:"m"`
	Shard  int    `json:"shard_bytes"`
	From   string `json:"from,omitempty"`
}

func newObjectEvent(id proto.ObjectID, p proto.Params) objectEvent {
	return objectEvent{
		Object: id.String(), Bytes: p.Size,
		Code: p.Code.String(), K: p.K, M: p.M, Shard: p.ShardSize,
	}
}

// observe is receiver.Config.Observe.
func (v *recvView) observe(now time.Time, e receiver.Event) {
	switch e := e.(type) {
	case receiver.ObjectFound:
		v.first, v.collected, v.manifest = now, time.Time{}, nil
		found := newObjectEvent(e.Object, e.Params)
		found.From = e.From.From.String()
		v.out.event("found", found)
		v.out.decision("object %s   %v   %v %d+%d shards of %d bytes   from %v", e.Object.Short(), quantity.Size(e.Params.Size),
			e.Params.Code, e.Params.K, e.Params.M, e.Params.ShardSize, e.From.From)
	case receiver.Certified:
		v.manifest = e.Manifest
		d := e.Manifest.Descriptor
		object := newObjectEvent(d.Object(), d.Params)
		object.Name, object.SHA256 = e.Manifest.Name, fmt.Sprintf("%x", d.SHA256)
		v.out.event("object", object)
		v.out.line("%s  %v  object %s...  origin not verified", displayName(e.Manifest, v.opts.output),
			quantity.Size(d.Size), d.Object().Short())
		v.certified(e.Manifest)
	case receiver.Dropped:
		v.out.line("object %s... given up: %s", e.Object.Short(), e.Why)
	case receiver.OtherObject:
		v.out.decision("also on the air: object %s  %s", e.Object, e.Name)
	case receiver.GroupDecoded:
		if v.opts.verbose > 1 {
			v.out.line("group %d: %d shards rebuilt", e.Group, e.Rebuilt)
		}
	case receiver.Collected:
		v.collected = now
		v.out.event("collected", collectedEvent{Seconds: now.Sub(v.first).Seconds()})
	case receiver.Corrupt:
		v.out.warn("corrupt", fmt.Sprintf("the SHA-256 of the file is wrong: forged packets, or a sender whose file changed; starting over (%d)", e.Attempt))
	}
}

type collectedEvent struct {
	Seconds float64 `json:"seconds"`
}

// report is receiver.RunOptions.Report.
func (v *recvView) report(now time.Time, s receiver.Status) error {
	v.status = s
	if n := s.Data + s.Parity + s.Manifests; n != v.useful {
		v.useful, v.heard = n, now
	}
	v.speed.add(now, s)
	v.checkBuffer()
	if v.out.progressDue(now) && s.Needed > 0 && v.collected.IsZero() {
		v.progress(now)
	}
	for _, text := range v.silence.check(now, v) {
		v.out.warn(text.Code, text.Text+"\n  try: "+text.Fix)
	}
	return v.patience(now)
}

// patience returns an error when it is time to give up.
func (v *recvView) patience(now time.Time) error {
	silent := now.Sub(v.heard)
	switch {
	case v.status.Needed == 0 && v.opts.timeout > 0 && silent >= v.opts.timeout:
		return withCode(exitSilence, fmt.Errorf("nothing was heard within %v", v.opts.timeout))
	case v.status.Needed > 0 && v.opts.stall > 0 && v.collected.IsZero() && silent >= v.opts.stall:
		return withCode(exitIncomplete, fmt.Errorf("incomplete: the stream has been silent for %v with %d of %d shards at hand",
			v.opts.stall, v.status.Held, v.status.Needed))
	case v.status.Needed > 0 || v.status.Ignored[receiver.ReasonTooLarge] == 0:
		v.tooLarge = time.Time{}
	case v.tooLarge.IsZero():
		v.tooLarge = now
	case now.Sub(v.tooLarge) >= tooLargeAfter:
		return withCode(exitPolicy, fmt.Errorf("the file on the air is larger than --max-size %v", v.opts.maxSize))
	}
	return nil
}

// checkBuffer warns once when the own host, not the network, loses packets.
func (v *recvView) checkBuffer() {
	drops := v.listener.Stats().KernelDrops
	if drops == 0 || v.warned["own-drops"] {
		return
	}
	v.warned["own-drops"] = true
	size := v.listener.Stats().ReceiveBuffer
	v.out.warn("own-drops", fmt.Sprintf("this host is too slow or its receive buffer (%v) too small: packets were dropped here, not on the way\n"+
		"  try: sysctl -w net.core.rmem_max=%d   # or a lower --rate at the sender", quantity.Size(size), max(32<<20, 2*size)))
}

type progressEvent struct {
	Object    string            `json:"object"`
	Held      uint64            `json:"shards_held"`
	Needed    uint64            `json:"shards_needed"`
	Groups    uint64            `json:"groups"`
	Complete  uint64            `json:"groups_complete"`
	Rate      float64           `json:"bits_per_second"`
	LossRatio float64           `json:"loss_ratio"`
	Seconds   float64           `json:"seconds_left,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`
}

// progress prints the live line.
func (v *recvView) progress(now time.Time) {
	s := v.status
	left := v.speed.left(s)
	v.out.event("progress", progressEvent{
		Object: s.Object.String(), Held: s.Held, Needed: s.Needed, Groups: s.Groups, Complete: s.Decoded,
		Rate: v.speed.rate(), LossRatio: s.Loss.Ratio(), Seconds: left.Seconds(),
		OwnDrops: v.listener.Stats().KernelDrops, Ignored: ignored(s.Ignored),
	})
	line := fmt.Sprintf(" %2d%%  %v of %v  %v  loss %.1f%%", 100*s.Held/s.Needed,
		quantity.Size(min(s.Held*uint64(s.Params.ShardSize), s.Params.Size)), quantity.Size(s.Params.Size),
		quantity.Rate(v.speed.rate()), 100*s.Loss.Ratio())
	switch silent := now.Sub(v.heard); {
	case silent >= 2*time.Second:
		line += fmt.Sprintf("  silent for %s", quantity.Duration(silent))
	case left > 0:
		line += "  ETA " + quantity.Duration(left)
	}
	v.out.progressLine(line)
}

func ignored(m map[proto.Reason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(m))
	for reason, n := range m {
		out[string(reason)] = n
	}
	return out
}

// failure explains why a transfer ended without its file.
func (v *recvView) failure(err error) error {
	var store *receiver.StoreError
	if errors.As(err, &store) {
		return withCode(exitLocalIO, fmt.Errorf("%s: %w; the old file, if any, is untouched", displayName(v.manifest, v.opts.output), err))
	}
	var stopped signalError
	if errors.As(err, &stopped) && v.status.Needed > 0 {
		v.out.line("stopped at %d of %d shards; the next run starts over", v.status.Held, v.status.Needed)
	}
	return err
}

func (v *recvView) haveIt(m *proto.Manifest) {
	v.out.event("done", doneEvent{Object: m.Descriptor.Object().String(), Name: m.Name, Bytes: m.Descriptor.Size,
		SHA256: fmt.Sprintf("%x", m.Descriptor.SHA256), Had: true})
	v.out.line("ok  %s  has the content already", displayName(m, v.opts.output))
}

type doneEvent struct {
	Object string `json:"object"`
	Name   string `json:"name,omitempty"`
	Path   string `json:"path,omitempty"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
	Had    bool   `json:"had_it_already"`

	Seconds   float64 `json:"seconds"`           // from the first packet to the renamed file
	Collected float64 `json:"seconds_collected"` // of these, until K shards of every group were held
	Rate      float64 `json:"bits_per_second"`   // of the file
	Needed    uint64  `json:"shards_needed"`
	Rebuilt   uint64  `json:"shards_rebuilt"`
	Data      uint64  `json:"data_received"`
	Parity    uint64  `json:"parity_received"`
	Manifests uint64  `json:"manifests_received"`
	Spanned   uint64  `json:"packets_sent"` // by all senders, from the first to the last needed, of every type
	Lost      uint64  `json:"packets_lost"`
	Dropped   uint64  `json:"packets_dropped_by_flag,omitempty"`
	OwnDrops  uint64  `json:"own_drops"`
	Ignored   any     `json:"ignored,omitempty"`
}

// done prints the result.
func (v *recvView) done(path string, m *proto.Manifest) {
	s, d := v.status, m.Descriptor
	took := time.Since(v.first)
	rate := float64(8*d.Size) / took.Seconds()
	drops := v.listener.Stats().KernelDrops
	v.out.event("done", doneEvent{
		Object: d.Object().String(), Name: m.Name, Path: path, Bytes: d.Size, SHA256: fmt.Sprintf("%x", d.SHA256),
		Seconds: took.Seconds(), Collected: v.collected.Sub(v.first).Seconds(), Rate: rate,
		Needed: s.Needed, Rebuilt: s.Rebuilt, Data: s.Data, Parity: s.Parity, Manifests: s.Manifests,
		Spanned: s.Loss.Spanned, Lost: s.Loss.Lost, Dropped: s.Dropped, OwnDrops: drops, Ignored: ignored(s.Ignored),
	})
	verb := "ok"
	if v.opts.dryRun {
		verb = "ok (dry run, nothing written)"
	}
	v.out.line("%s  %s  %v in %.1fs  %v  loss %.1f %%: %d packets lost, %d shards rebuilt  own drops %d",
		verb, displayName(m, path), quantity.Size(d.Size), took.Seconds(), quantity.Rate(rate),
		100*s.Loss.Ratio(), s.Loss.Lost, s.Rebuilt, drops)
}
