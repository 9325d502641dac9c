// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
)

// severalOptions say what to do where several files are sent.
type severalOptions struct {
	all        bool
	maxObjects int
	maxTotal   quantity.Size
}

func (o *severalOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.all, "all", false, "receive all files that are sent, with -d; with --name or --component, all that match")
	flags.IntVar(&o.maxObjects, "max-objects", receiver.DefaultMaxObjects, "where several files are sent, know at most `n` of them")
	flags.Var(&o.maxTotal, "max-total", "with --all, refuse more than this in all (default no limit)")
}

// validateSeveral checks the flags for several files.
func (o *options) validateSeveral() error {
	switch {
	case o.maxObjects < 1 || o.maxObjects > proto.MaxCatalogue:
		return cli.UsageError("--max-objects %d: want 1 to %d", o.maxObjects, proto.MaxCatalogue)
	case !o.all && o.maxTotal > 0:
		return cli.UsageError("--max-total needs --all; --max-size limits a single file")
	case !o.all:
		return nil
	case o.dir == "":
		return cli.UsageError("--all needs a directory: -d DIR")
	case o.object != "" || o.sha256 != "":
		return cli.UsageError("--all excludes --object and --sha256, which name one file")
	case o.dryRun:
		return cli.UsageError("--all excludes --dry-run")
	case o.follow || o.exec != "" || o.check != "":
		return cli.UsageError("--all excludes --follow, --exec and --check: run a command after recv")
	case len(o.reuse) > 0 || o.record != "":
		return cli.UsageError("--all excludes --reuse and --record, which are for a single file")
	}
	return nil
}

// take returns what to do where several files are sent.
func (o *options) take() receiver.Take {
	switch {
	case o.all:
		return receiver.TakeAll
	case o.follow || o.object != "" || o.sha256 != "" || o.name != "" || len(o.components) > 0 || len(o.trust) > 0 && len(o.targets) > 0:
		return receiver.TakeFirst
	}
	return receiver.TakeOnly
}

// choose sets what to receive.
func (o *options) choose(cfg *agent.Config) (err error) {
	if o.object != "" {
		if cfg.Object, err = proto.ParseObjectID(o.object); err != nil {
			return cli.UsageError("--object: %w", err)
		}
	}
	if o.sha256 != "" {
		sum, err := hex.DecodeString(o.sha256)
		if err != nil || len(sum) != len(cfg.SHA256) {
			return cli.UsageError("--sha256 %q is not 64 hexadecimal digits", o.sha256)
		}
		cfg.SHA256 = [32]byte(sum)
		if cfg.SHA256 == [32]byte{} { // would mean any
			return cli.UsageError("--sha256: an all-zero hash is not allowed")
		}
	}
	if _, err := path.Match(o.name, ""); err != nil {
		return cli.UsageError("--name %q: not a pattern, such as 'fw-*.bin'", o.name)
	}
	if o.name != "" {
		cfg.Name = func(name string) bool {
			ok, _ := path.Match(o.name, name)
			return ok && name != ""
		}
	}
	return nil
}

// manyHeap is tightHeap for thousands of files, of which each takes some small pieces of
// memory.
const manyHeap = 60

// heap returns how much garbage may pile up, in percent.
func (o *options) heap() int {
	if o.all {
		return manyHeap
	}
	return tightHeap
}

// openFiles is how many partial files are open at a time.
const openFiles = 256

// receiveAll receives all files.
func (o *options) receiveAll(ctx context.Context, a *agent.Agent) error {
	all, err := a.ReceiveAll(ctx)
	switch {
	case err != nil:
		return err
	case len(all.Failed) > 0:
		first := all.Failed[0]
		return &explained{fmt.Sprintf("%d of %d files were not received; the first: %s: %s",
			len(all.Failed), len(all.Failed)+all.New+all.Had, first.Name, fileErrorText(first)), first}
	case all.LeftOut != "":
		return &explained{fmt.Sprintf("%d files were received, and others left out: %s", all.New+all.Had, leftOutText(all.LeftOut)), all.LeftOut}
	}
	return nil
}

// fileErrorText says why one of several files was not received.
func fileErrorText(e *agent.FileError) string {
	if why := proto.Reason(""); errors.As(e, &why) {
		return "it " + reason.Of(why).File
	}
	return e.Err.Error()
}

// leftOutText names the limits over which files were.
func leftOutText(why proto.Reason) string {
	if why == receiver.ReasonTooMany {
		return "they are more than --max-objects allows"
	}
	return "with them it would be more than --max-size or --max-total allows"
}

// severalText is the error of a receiver to which several files are sent.
func severalText(e *receiver.SeveralError) string {
	return fmt.Sprintf("%d files are sent here: choose one by --name GLOB, --component NAME, --target NAME or --object ID, or receive all by --all -d DIR", len(e.Objects))
}

// A listedEvent is one of several files that are sent.
type listedEvent struct {
	Object    string   `json:"object"`
	Name      string   `json:"name,omitempty"`
	Bytes     uint64   `json:"bytes"`
	SHA256    string   `json:"sha256"`
	Version   string   `json:"version,omitempty"`
	Component string   `json:"component,omitempty"`
	Targets   []string `json:"targets,omitempty"`
	Verified  bool     `json:"verified"`
	SignedBy  string   `json:"signed_by,omitempty"`
	Sequence  uint64   `json:"sequence,omitempty"`
}

// A fileEvent is one of several files that is in place.
type fileEvent struct {
	listedEvent
	Path  cli.Path `json:"path"`
	Had   bool     `json:"had_it_already"`
	Files int      `json:"files_done"`
}

// A fileFailedEvent is one of several files that was given up.
type fileFailedEvent struct {
	Object string `json:"object"`
	Name   string `json:"name,omitempty"`
	Error  string `json:"error"`
}

// A progressAllEvent is how far all files are.
type progressAllEvent struct {
	totalsEvent
	Active    []activeEvent     `json:"files_active"` // some of them
	Rate      float64           `json:"packets_per_second"`
	LossRatio float64           `json:"loss_ratio"`
	Seconds   float64           `json:"seconds_left,omitempty"`
	OwnDrops  uint64            `json:"own_drops"`
	Ignored   map[string]uint64 `json:"ignored,omitempty"`
}

type totalsEvent struct {
	Files    int    `json:"files_known"`
	Finished int    `json:"files_finished"`
	Failed   int    `json:"files_failed"`
	Complete bool   `json:"list_complete"`
	Bytes    uint64 `json:"bytes"`
	Done     uint64 `json:"bytes_done"`
}

// An activeEvent is how far one of several files is.
type activeEvent struct {
	Object string `json:"object"`
	Held   uint64 `json:"shards_held"`
	Needed uint64 `json:"shards_needed"`
}

// An allEvent is the result of recv --all.
type allEvent struct {
	Files      int               `json:"files_known"`
	New        int               `json:"files_new"`
	Had        int               `json:"files_had_already"`
	Failed     int               `json:"files_failed"`
	Catalogued bool              `json:"list_complete"` // by a catalogue
	Bytes      uint64            `json:"bytes"`
	Seconds    float64           `json:"seconds"`
	Spanned    uint64            `json:"packets_sent"`
	Lost       uint64            `json:"packets_lost"`
	OwnDrops   uint64            `json:"own_drops"`
	Ignored    map[string]uint64 `json:"ignored,omitempty"`
}

func (v *view) newListedEvent(m *proto.Manifest, signers []proto.PublicKey) listedEvent {
	d := m.Descriptor
	e := listedEvent{
		Object: d.Object().String(), Name: m.Name, Bytes: d.Size, SHA256: hex.EncodeToString(d.SHA256[:]),
		Version: m.Version, Component: m.Component, Targets: m.Targets,
	}
	e.Verified, e.SignedBy, e.Sequence = v.verified(m, signers)
	return e
}

// mostListed is how many files are listed for a person.
const mostListed = 50

// several lists the files that are sent.
func (v *view) several(e agent.SeveralSent) {
	for i, l := range e.Err.Objects {
		v.out.Final("listed", v.newListedEvent(l.Manifest, l.Signers), "")
		if i < mostListed {
			v.out.Line("  %s", describe.Listed(l.Manifest))
		}
	}
	if more := len(e.Err.Objects) - mostListed; more > 0 {
		v.out.Line("  and %d more", more)
	}
}

// fileDone reports one of several files.
func (v *view) fileDone(e agent.FileDone) {
	f := e.File
	v.out.Event("file", fileEvent{listedEvent: v.newListedEvent(f.Manifest, f.Signers), Path: cli.Path(f.Path), Had: !f.New, Files: e.Done})
	if f.New {
		v.out.Line("%s  %v", displayName(f.Manifest, f.Path), quantity.Size(f.Manifest.Descriptor.Size))
	} else {
		v.out.Decision("%s  already has this content", displayName(f.Manifest, f.Path))
	}
}

// fileFailed reports one of several files that was given up.
func (v *view) fileFailed(e agent.FileFailed) {
	v.out.Event("failed", fileFailedEvent{Object: e.Manifest.Descriptor.Object().String(), Name: e.Manifest.Name, Error: fileErrorText(e.Err)})
	v.out.Warn(cli.Warning{Code: reason.FileFailed, Text: fmt.Sprintf("%s: not received: %s", displayName(e.Manifest, ""), fileErrorText(e.Err))})
}

// progressAll shows how far all files are.
func (v *view) progressAll(e agent.Progress) {
	s, t := &e.Status, &e.Status.Totals
	left := v.gain.Left(t.Needed - t.Held)
	event := progressAllEvent{
		Active:      []activeEvent{},
		totalsEvent: totalsEvent{t.Objects, t.Finished, t.Failed, t.Complete, t.Bytes, t.Done},
		Rate:        v.arrival.PerSecond(), LossRatio: s.Loss.Ratio(), Seconds: left.Seconds(),
		OwnDrops: e.Drops, Ignored: describe.Ignored(s.Ignored),
	}
	for _, p := range s.Objects {
		event.Active = append(event.Active, activeEvent{p.Object.String(), p.Held, p.Needed})
	}
	v.out.Event("totals", event)
	of := fmt.Sprintf("%d of %d files", t.Finished, t.Objects)
	if !t.Complete {
		of += " or more"
	}
	line := fmt.Sprintf(" %2d%%  %s  %v of %v  loss %.1f%%", 100*t.Held/t.Needed, of, quantity.Size(t.Done), quantity.Size(t.Bytes), 100*s.Loss.Ratio())
	switch {
	case e.Silent >= silent:
		line += "  silent for " + quantity.Duration(e.Silent)
	case left > 0 && t.Complete:
		line += "  ETA " + quantity.Duration(left)
	}
	v.out.ProgressLine(line)
}

// allDone prints the result of recv --all.
func (v *view) allDone(e agent.AllDone) {
	s, all := &e.Status, &e.All
	took := time.Duration(0)
	if !e.First.IsZero() {
		took = e.At.Sub(e.First)
	}
	event := allEvent{
		Files: all.New + all.Had + len(all.Failed), New: all.New, Had: all.Had, Failed: len(all.Failed), Catalogued: all.Complete,
		Bytes: s.Totals.Bytes, Seconds: took.Seconds(),
		Spanned: s.Loss.Spanned, Lost: s.Loss.Lost, OwnDrops: e.Drops, Ignored: describe.Ignored(s.Ignored),
	}
	extra := ""
	if all.Had > 0 {
		extra += fmt.Sprintf("  %d were there already", all.Had)
	}
	if !all.Complete {
		extra += "  no catalogue was heard: others may be sent"
	}
	if len(all.Failed) > 0 || all.LeftOut != "" {
		v.out.Event("finished", event)
		return // the error says it
	}
	v.out.Final("finished", event, "ok  %d files in %s  %v in %s  loss %.1f%%  own drops %d%s",
		event.Files, v.opts.dir, quantity.Size(event.Bytes), quantity.Duration(took), 100*s.Loss.Ratio(), e.Drops, extra)
}
