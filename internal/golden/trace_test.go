// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"iotupd/proto"
	"iotupd/receiver"
)

// A trace is what is recorded of one scene.
type trace struct {
	begin time.Time
	text  strings.Builder

	run     []string // lines of successive events of type runKind
	runKind reflect.Type

	heard, answers, wakes hash.Hash
	packets, woken        int
	ignored               map[proto.Reason]int
	wake                  time.Time // the last one that was recorded
}

func newTrace(begin time.Time) *trace {
	return &trace{begin: begin, heard: sha256.New(), answers: sha256.New(), wakes: sha256.New(), ignored: map[proto.Reason]int{}}
}

// line writes a line that is not about a point in time.
func (tr *trace) line(format string, args ...any) {
	tr.flush()
	fmt.Fprintf(&tr.text, format+"\n", args...)
}

// at writes a line with the time since the beginning of the scene.
func (tr *trace) at(now time.Time, format string, args ...any) {
	tr.line("%-12s "+format, append([]any{tr.since(now)}, args...)...)
}

func (tr *trace) since(now time.Time) string { return "+" + now.Sub(tr.begin).String() }

// event writes a line for an event. Decoded groups and refused objects can be
// many: their lines are gathered.
func (tr *trace) event(now time.Time, e receiver.Event) {
	line := fmt.Sprintf("%-12s %s\n", tr.since(now), describe(e))
	switch e.(type) {
	case receiver.GroupDecoded, receiver.Refused:
		if kind := reflect.TypeOf(e); kind != tr.runKind {
			tr.flush()
			tr.runKind = kind
		}
		tr.run = append(tr.run, line)
	default:
		tr.flush()
		tr.text.WriteString(line)
	}
}

// flush writes the lines that were gathered or, if there are many, the first, the
// last and the hash of all of them.
func (tr *trace) flush() {
	const few = 4
	lines := tr.run
	tr.run = nil
	if n := len(lines); n > few {
		all := sha256.Sum256([]byte(strings.Join(lines, "")))
		lines = []string{lines[0], fmt.Sprintf("%12s %d such lines in all, SHA-256 %.16x\n", "", n, all), lines[n-1]}
	}
	for _, line := range lines {
		tr.text.WriteString(line)
	}
}

// describe returns the text of an event, field by field.
func describe(e receiver.Event) string {
	switch e := e.(type) {
	case receiver.ObjectFound:
		return fmt.Sprintf("found %v %s from %v on %d", e.Object, describeParams(e.Params), e.From.From, e.From.Interface)
	case receiver.Certified:
		m := e.Manifest
		text := fmt.Sprintf("certified %q version %q channel %q sequence %d signers", m.Name, m.Version, m.Channel, m.Sequence)
		if e.Signers == nil {
			return text + " not asked for"
		}
		for _, key := range e.Signers {
			text += " " + key.ID.String()
		}
		return text
	case receiver.Resumed:
		return fmt.Sprintf("resumed %d shards, reused %d", e.Shards, e.Reused)
	case receiver.Forged:
		return fmt.Sprintf("forged group %d, %d shards", e.Group, e.Shards)
	case receiver.Dropped:
		return fmt.Sprintf("dropped %v: %s", e.Object, e.Why)
	case receiver.Refused:
		return fmt.Sprintf("refused %v %q: %s", e.Object, e.Name, string(e.Why))
	case receiver.GroupDecoded:
		return fmt.Sprintf("decoded group %d, rebuilt %d shards", e.Group, e.Rebuilt)
	case receiver.Collected:
		return "collected"
	case receiver.Verified:
		return "verified"
	case receiver.Corrupt:
		return fmt.Sprintf("corrupt, attempt %d", e.Attempt)
	}
	return fmt.Sprintf("unknown event %T", e)
}

func describeParams(p proto.Params) string {
	return fmt.Sprintf("%v %d+%d shards of %d bytes, size %d", p.Code, p.K, p.M, p.ShardSize, p.Size)
}

// packet records a datagram and what Handle returned for it.
func (tr *trace) packet(now time.Time, datagram []byte, err error) {
	tr.packets++
	fmt.Fprintf(tr.heard, "%d %d\n", now.Sub(tr.begin), len(datagram))
	tr.heard.Write(datagram)
	reason := proto.Reason("taken")
	if err != nil {
		reason = err.(proto.Reason) // as Handle promises
		tr.ignored[reason]++
	}
	io.WriteString(tr.answers, string(reason)+"\n")
}

// wakeAt records when a core wants to be woken, if that has changed.
func (tr *trace) wakeAt(at time.Time) {
	if at.Equal(tr.wake) {
		return
	}
	tr.wake = at
	tr.woken++
	if at.IsZero() {
		io.WriteString(tr.wakes, "never\n")
	} else {
		fmt.Fprintf(tr.wakes, "%d\n", at.Sub(tr.begin))
	}
}

// summary writes the counts and hashes of what was heard.
func (tr *trace) summary() {
	tr.line("heard %d packets, SHA-256 %.16x", tr.packets, tr.heard.Sum(nil))
	var counts []string
	for _, reason := range slices.Sorted(maps.Keys(tr.ignored)) {
		counts = append(counts, fmt.Sprintf(" %s=%d", string(reason), tr.ignored[reason]))
	}
	tr.line("ignored%s; all answers SHA-256 %.16x", strings.Join(counts, ""), tr.answers.Sum(nil))
	tr.line("wake changed %d times, SHA-256 %.16x", tr.woken, tr.wakes.Sum(nil))
}

// progress writes all of the final progress but the loss, which has a file of its
// own.
func (tr *trace) progress(p receiver.Progress) {
	tr.line("progress %v certified %v needed %d held %d groups %d decoded %d rebuilt %d",
		p.Object, p.Object != (proto.ObjectID{}), p.Needed, p.Held, p.Groups, p.Decoded, p.Rebuilt)
	tr.line("progress resumed %d reused %d forged %d records %d of %d", p.Resumed, p.Reused, p.Forged, p.Records, p.AllRecords)
	tr.line("progress data %d parity %d digests %d outlines %d manifests %d", p.Data, p.Parity, p.Digests, p.Outlines, p.Manifests)
}
