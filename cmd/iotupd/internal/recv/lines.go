// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
)

// found reports an object that is received.
func (v *view) found(e receiver.ObjectFound) {
	object := describe.NewObjectEvent(e.Object, e.Params)
	object.From, object.Interface = v.origin()
	v.out.Event("found", object)
	v.out.Decision("found object %v  %v  code %v, groups of %d+%d shards of %d bytes", e.Object, quantity.Size(e.Params.Size),
		e.Params.Code, e.Params.K, e.Params.M, e.Params.ShardSize)
}

// object reports what is being received.
func (v *view) object(c receiver.Certified) {
	m, d := c.Manifest, c.Manifest.Descriptor
	e := receivedEvent{ObjectEvent: describe.NewObjectEvent(d.Object(), d.Params), Version: m.Version, Component: m.Component}
	e.Name, e.SHA256 = m.Name, hex.EncodeToString(d.SHA256[:])
	e.From, e.Interface = v.origin()
	e.Verified, e.SignedBy, e.Sequence = v.verified(m, c.Signers)
	v.out.Event("object", e)
	from := ""
	if e.From != "" {
		from = fmt.Sprintf("  from %s on %s", e.From, e.Interface)
	}
	v.out.Line("%s  %v  object %s...%s   %s", displayName(m, ""), quantity.Size(d.Size), d.Object().Short(), from, v.whose(c.Signers))
}

// whose says for a person how far the origin of the object is known.
func (v *view) whose(signers []proto.PublicKey) string {
	switch {
	case len(v.opts.trust) > 0:
		var names []string
		for _, key := range signers {
			names = append(names, fmt.Sprintf("%v (%s)", key.ID, v.names[key.ID]))
		}
		return "signed by " + strings.Join(names, ", ")
	case v.opts.object != "":
		return "as --object names it"
	case v.opts.sha256 != "":
		return "as --sha256 names it"
	}
	return "origin not verified (no --trust)"
}

// resumed reports the shards that are already on disk, of an earlier run or an
// older version of the file.
func (v *view) resumed(e receiver.Resumed, object proto.ObjectID) {
	if e.Shards+e.Reused == 0 {
		return
	}
	v.out.Event("resumed", resumedEvent{Object: object.String(), Resumed: e.Shards, Reused: e.Reused})
	v.out.Line("continuing:%s", spared(e.Shards, e.Reused, "--reuse"))
}

// spared says how many shards need not be received, if any.
func spared(resumed, reused uint64, older string) string {
	s := ""
	if resumed > 0 {
		s += fmt.Sprintf("  %d shards were there already", resumed)
	}
	if reused > 0 {
		s += fmt.Sprintf("  %d shards from %s", reused, older)
	}
	return s
}

func (v *view) collected(e agent.Collected) {
	p := e.Progress
	v.out.Event("collected", collectedEvent{
		Seconds: e.At.Sub(v.first).Seconds(),
		Data:    p.Data, Parity: p.Parity, Digests: p.Digests, Outlines: p.Outlines, Manifests: p.Manifests,
		Spanned: p.Loss.Spanned, Lost: p.Loss.Lost,
	})
}

// levelChanged reports that other layers are received from now on.
func (v *view) levelChanged(e agent.LevelChanged) {
	v.out.Event("layers", layersEvent{Layers: e.Level + 1, Seconds: e.At.Sub(v.first).Seconds()})
	switch e.Level {
	case -1:
		v.out.Line("over 50 %% loss on the lowest layer: leaving all multicast groups for a while, to relieve the network")
	default:
		v.out.Decision("receiving layers 0 to %d", e.Level)
	}
}

// silent is how long nothing has arrived when that is worth a word.
const silent = 2 * time.Second

// progress prints how far it is.
func (v *view) progress(e agent.Progress) {
	s := &e.Status
	v.arrival.Add(e.At, s.Data+s.Parity+s.Digests+s.Outlines+s.Manifests)
	v.gain.Add(e.At, s.Held)
	if v.out.IsJSON() && s.Needed == 0 {
		return // there is no event for it: who asked gets the first that there is
	}
	if !v.out.ProgressDue(e.At) {
		return
	}
	switch {
	case s.Needed == 0 && s.Waiting > 0 && e.Silent < silent:
		v.out.WaitingLine(fmt.Sprintf(" %d packets received, no manifest yet", s.Waiting))
		return
	case s.Needed == 0:
		v.out.WaitingLine(fmt.Sprintf(" nothing heard for %s", quantity.Duration(e.Silent)))
		return
	case e.Collected:
		v.out.ProgressLine(" 100%  decoding and verifying")
		return
	}
	if v.opts.all {
		v.progressAll(e)
		return
	}
	left := v.gain.Left(s.Needed - s.Held)
	v.out.Event("progress", progressEvent{
		Object: s.Object.String(), Held: s.Held, Needed: s.Needed, Groups: s.Groups, Complete: s.Decoded,
		Resumed: s.Resumed, Reused: s.Reused, Forged: forged(s),
		Rate: v.rate(s.Params), LossRatio: s.Loss.Ratio(), Seconds: left.Seconds(),
		InventoryHeld: s.InventoryHeld, InventoryNeeded: s.InventoryNeeded,
		OwnDrops: e.Drops, Ignored: describe.Ignored(s.Ignored),
	})
	line := fmt.Sprintf(" %2d%%  %v of %v  %v  loss %.1f%%", 100*s.Held/s.Needed,
		quantity.Size(min(s.Held*uint64(s.Params.ShardSize), s.Params.Size)), quantity.Size(s.Params.Size),
		quantity.Rate(v.rate(s.Params)), 100*s.Loss.Ratio())
	if s.InventoryNeeded > 0 {
		line += fmt.Sprintf("  inventory %d%%", 100*s.InventoryHeld/s.InventoryNeeded)
	}
	switch {
	case e.Silent >= silent:
		line += "  silent for " + quantity.Duration(e.Silent)
	case left > 0:
		line += "  ETA " + quantity.Duration(left)
	}
	v.out.ProgressLine(line)
}

// newDoneEvent describes a received file, with everything in its manifest.
func (v *view) newDoneEvent(f *agent.Received) doneEvent {
	m, d := f.Manifest, f.Manifest.Descriptor
	e := doneEvent{
		Object: d.Object().String(), Name: m.Name, Path: cli.Path(f.Path), Bytes: d.Size,
		SHA256: hex.EncodeToString(d.SHA256[:]), Version: m.Version, Component: m.Component,
	}
	e.Verified, e.SignedBy, e.Sequence = v.verified(m, f.Signers)
	return e
}

// alreadyThere prints that there was nothing to receive.
func (v *view) alreadyThere(f *agent.Received) {
	e := v.newDoneEvent(f)
	e.Had = true
	if f.Path == "" {
		v.out.Final("done", e, "ok  %s  was installed before", displayName(f.Manifest, ""))
		return
	}
	v.out.Final("done", e, "ok  %s  already has this content", f.Path)
}

// done prints the result.
func (v *view) done(r agent.Done) {
	s, d := &r.Status, r.File.Manifest.Descriptor
	took := r.At.Sub(r.First)
	rate := float64(8*d.Size) / took.Seconds()
	e := v.newDoneEvent(r.File)
	e.Seconds, e.Collected, e.Rate = took.Seconds(), r.Collected.Sub(r.First).Seconds(), rate
	e.Needed, e.Rebuilt, e.Resumed, e.Reused, e.Forged = s.Needed, s.Rebuilt, s.Resumed, s.Reused, forged(s)
	e.Data, e.Parity, e.Digests, e.Outlines, e.Manifests = s.Data, s.Parity, s.Digests, s.Outlines, s.Manifests
	e.Spanned, e.Lost, e.Dropped, e.OwnDrops, e.Ignored = s.Loss.Spanned, s.Loss.Lost, s.Dropped, r.Drops, describe.Ignored(s.Ignored)
	verb := "ok"
	if v.opts.dryRun {
		verb = "ok (dry run, nothing written)"
	}
	older := "--reuse"
	if r.File.Manifest.IsArchive() {
		older = "older files"
	}
	extra := spared(s.Resumed, s.Reused, older)
	if n := forged(s); n > 0 {
		extra += fmt.Sprintf("  forged %d dropped", n)
	}
	v.out.Final("done", e, "%s  %s  %v in %s  %v  loss %.1f%%: %d packets lost, %d shards rebuilt  own drops %d%s",
		verb, displayName(r.File.Manifest, r.File.Path), quantity.Size(d.Size), quantity.Duration(took), quantity.Rate(rate),
		100*s.Loss.Ratio(), s.Loss.Lost, s.Rebuilt, r.Drops, extra)
}

// stopped says, to a user who stopped the command, how far it had come.
func (v *view) stopped(e agent.Stopped) string {
	s := &e.Status
	switch {
	case s.Needed > 0:
		return fmt.Sprintf("stopped with %d of %d shards%s", s.Held, s.Needed, v.opts.next(s.Digests == 0 && s.Records == 0))
	case e.NoNewer:
		return "stopped; no newer release was heard"
	case e.Instead.Reason != "":
		return "stopped; " + insteadText(e.Instead)
	case s.Waiting > 0:
		return "stopped; no manifest was heard"
	}
	return "stopped; nothing was heard"
}

// installing shows what the command of --exec does.
func (v *view) installing(e agent.Event) {
	switch e := e.(type) {
	case agent.InstallPending:
		v.out.Decision("the command of --exec has not succeeded for this file yet")
	case agent.Installed:
		v.out.Decision("the command of --exec has succeeded")
	case agent.CommandPrinted:
		v.out.Line("%s: %s", e.Name, e.Line)
	case agent.InstallFailed:
		v.out.Warn(cli.Warning{Code: cli.InstallCode(e.Err.State), Text: installText(e.Err)})
	case agent.GivenUp:
		v.out.Warn(cli.Warning{Code: cli.InstallCode(e.Err.State), Text: displayName(e.Err.Manifest, "") + ": " + e.Err.Error(), Fix: retryFix})
	case agent.CommandEnded:
		v.out.Event("exec", hookEvent{Command: paths(e.Words), Exit: e.Exit, Seconds: e.Took.Seconds()})
	}
}

// paths are words that may hold a path.
func paths(words []string) (all []cli.Path) {
	for _, w := range words {
		all = append(all, cli.Path(w))
	}
	return all
}

func (v *view) corrupt(e receiver.Corrupt) {
	v.out.Warn(cli.Warning{Code: reason.Corrupt, Text: fmt.Sprintf("the SHA-256 of the file is wrong, attempt %d: "+
		"forged packets, or a sender whose file changed", e.Attempt)})
}
