// SPDX-License-Identifier: GPL-2.0-or-later

package installed

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"iotupd/proto"
	"iotupd/receiver/installed/state"
)

// A Record says what became of the latest release of a component of a channel, as far as
// one trust root goes: a key, or for files that are not signed the path of the file.
type Record struct {
	Channel   string
	Root      string // id of the key; [Unsigned]
	Component string // empty: of releases that name none, or that are not signed

	// Manifest of the release; nil: it is not known.
	Manifest *proto.Manifest
	// Path is where its file was put; empty: it has no path.
	Path string
	// Terms are what is to be done with the file when it has been installed, a word
	// that its target knows; empty: nothing.
	Terms string

	state.Progress

	// Running is the last release that is known to run.
	Running Running

	// early says that a version of this program has written it that did not know
	// components: its file is the one of releases without a component.
	early bool
}

// Unsigned is the trust root of files that are not signed.
const Unsigned = "unsigned"

// Running is a release that runs. The zero value says that none is known.
type Running struct {
	Sequence uint64         // 0: not known
	Object   proto.ObjectID // zero: not known
}

// Known reports whether anything is known.
func (r Running) Known() bool { return r != Running{} }

// Is reports whether r is the release of m, by all that is known of it.
func (r Running) Is(m *proto.Manifest) bool {
	switch {
	case !r.Known():
		return false
	case r.Object != (proto.ObjectID{}):
		return r.Object == m.Descriptor.Object()
	}
	return r.Sequence == m.Sequence
}

// Is reports whether the record is about the release of m.
func (r *Record) Is(m *proto.Manifest) bool {
	return r != nil && r.Manifest != nil && r.Manifest.Sequence == m.Sequence && r.Manifest.Descriptor.Object() == m.Descriptor.Object()
}

// release returns what the record is about.
func (r *Record) release() Running {
	return Running{Sequence: r.Manifest.Sequence, Object: r.Manifest.Descriptor.Object()}
}

// Last returns the last release that is known to be installed.
func (r *Record) Last() Running {
	if r.Manifest != nil && (r.State == state.Installed || r.State == state.Confirmed) {
		return r.release()
	}
	return r.Running
}

// Sequence returns the sequence of the release, 0 if none is known.
func (r *Record) Sequence() uint64 {
	if r.Manifest == nil {
		return 0
	}
	return r.Manifest.Sequence
}

// laterThan reports whether r has more to say than o, which is about the same channel
// by another key: a step was recorded for one key, and then a power cut came.
func (r *Record) laterThan(o *Record) bool {
	switch {
	case r.Sequence() != o.Sequence():
		return r.Sequence() > o.Sequence()
	case r.Attempts != o.Attempts:
		return r.Attempts > o.Attempts
	}
	return r.State > o.State
}

const recordHead = "iotupd installation v1\n"

// text is the whole content of the file. The checksum shows damage.
func (r *Record) text() string {
	manifest, running := "none", "none"
	if r.Manifest != nil {
		manifest = base64.StdEncoding.EncodeToString(r.Manifest.AppendTo(nil))
	}
	if r.Running.Known() {
		running = fmt.Sprintf("%d %v", r.Running.Sequence, r.Running.Object)
	}
	text := recordHead + fmt.Sprintf("channel %q\nroot %s\n", r.Channel, r.Root)
	if r.Component != "" && !r.early {
		text += fmt.Sprintf("component %q\n", r.Component)
	}
	text += fmt.Sprintf("running %s\nmanifest %s\npath %q\nterms %q\n", running, manifest, r.Path, r.Terms)
	text += fmt.Sprintf("state %v\nattempts %d\ncut %d\nconfirm %t\nboot %q\nuptime %d\nwhy %q\n",
		r.State, r.Attempts, r.Cut, r.Confirm, r.At.Boot, r.At.Uptime.Milliseconds(), r.Why)
	return text + fmt.Sprintf("checksum %08x\n", crc32.ChecksumIEEE([]byte(text)))
}

// maxRecordLen is more than any text has: a manifest fits into a packet, and a path
// into 4096 bytes.
const maxRecordLen = 64 << 10

// maxWhy bounds the reason of a failure, in bytes.
const maxWhy = 1024

var errRecord = errors.New("not a record of an installation")

// parseRecord reads what text wrote, and nothing else: what is found in it must make the
// same text.
func parseRecord(text string) (*Record, error) {
	body, ok := strings.CutPrefix(text, recordHead)
	if !ok {
		return nil, errRecord
	}
	fields := make(map[string]string)
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		fields[name] = value
	}
	p := fieldParser{fields: fields}
	r := &Record{
		Channel: p.text("channel"), Root: fields["root"], Running: p.running(), Manifest: p.manifest(),
		Path: p.text("path"), Terms: p.text("terms"),
	}
	if _, ok := fields["component"]; ok {
		r.Component = p.text("component")
	} else if r.Root != Unsigned && r.Manifest != nil && r.Manifest.Component != "" {
		r.Component, r.early = r.Manifest.Component, true
	}
	r.State = p.state()
	r.Attempts, r.Cut = int(p.number("attempts")), int(p.number("cut"))
	r.Confirm = fields["confirm"] == "true"
	r.At = state.Moment{Boot: p.text("boot"), Uptime: time.Duration(p.number("uptime")) * time.Millisecond}
	r.Why = p.text("why")
	if p.failed || r.text() != text {
		return nil, errRecord
	}
	return r, nil
}

// A fieldParser reads the fields of a record.
type fieldParser struct {
	fields map[string]string
	failed bool
}

func (p *fieldParser) text(name string) string {
	s, err := strconv.Unquote(p.fields[name])
	p.failed = p.failed || err != nil
	return s
}

func (p *fieldParser) number(name string) uint64 {
	n, err := strconv.ParseUint(p.fields[name], 10, 40)
	p.failed = p.failed || err != nil
	return n
}

func (p *fieldParser) state() state.State {
	s, ok := state.Parse(p.fields["state"])
	p.failed = p.failed || !ok
	return s
}

func (p *fieldParser) running() (r Running) {
	value := p.fields["running"]
	if value == "none" {
		return r
	}
	sequence, object, _ := strings.Cut(value, " ")
	var err1, err2 error
	r.Sequence, err1 = strconv.ParseUint(sequence, 10, 64)
	r.Object, err2 = proto.ParseObjectID(object)
	p.failed = p.failed || err1 != nil || err2 != nil
	return r
}

func (p *fieldParser) manifest() *proto.Manifest {
	value := p.fields["manifest"]
	if value == "none" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		p.failed = true
		return nil
	}
	m, err := proto.ParseManifest(b)
	p.failed = p.failed || err != nil
	return m
}
