// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/printable"
	"iotupd/internal/quantity"
	"iotupd/proto"
)

// A ManifestEvent is all that a manifest says. Its texts are safe to print.
type ManifestEvent struct {
	Path cli.Path `json:"manifest_path,omitempty"`
	ObjectEvent
	SetFiles   int              `json:"set_files,omitempty"`      // if it is the manifest of a set
	Directory  string           `json:"directory_name,omitempty"` // if the object is the archive of a directory
	Inventory  *inventoryEvent  `json:"inventory,omitempty"`      // of that
	Groups     uint64           `json:"groups"`
	Digests    bool             `json:"digests"`
	Channel    string           `json:"channel,omitempty"`
	Component  string           `json:"component,omitempty"`
	Version    string           `json:"version,omitempty"`
	Sequence   uint64           `json:"sequence"`
	Created    uint64           `json:"created_unix_seconds"` // 0: not stated
	Expires    uint64           `json:"expires_unix_seconds"` // 0: never
	Expired    bool             `json:"expired,omitempty"`
	Targets    []string         `json:"targets,omitempty"`
	Notes      cli.Lines        `json:"notes,omitempty"`
	Metadata   []byte           `json:"metadata,omitempty"` // base64
	Unknown    []unknownEvent   `json:"unknown,omitempty"`
	Signatures []signatureEvent `json:"signatures"`
	SignedBy   string           `json:"signed_by,omitempty"` // key id
	Memory     int64            `json:"receivers_memory_bytes"`
	FastMemory int64            `json:"receivers_fast_memory_bytes"` // to decode fast
}

// An inventoryEvent is the inventory of a directory.
type inventoryEvent struct {
	Object string `json:"inventory_object"`
	Bytes  uint64 `json:"inventory_bytes"`
	SHA256 string `json:"inventory_sha256"`
}

// An unknownEvent is a field of a later version.
type unknownEvent struct {
	Type  uint16 `json:"field_type"`
	Value []byte `json:"field"` // base64
}

type signatureEvent struct {
	Key    string `json:"key"`
	Status string `json:"status"`
}

// What can be said of a signature.
const (
	statusVerified = "verified"
	StatusWrong    = "wrong"     // the key of that id did not make it
	statusUnknown  = "not known" // no trusted key has that id
)

// NewManifestEvent describes a manifest; whether it has expired depends on now.
func NewManifestEvent(m *proto.Manifest, trusted []proto.PublicKey, now time.Time) ManifestEvent {
	d := m.Descriptor
	geo, _ := d.Geometry() // parsed
	e := ManifestEvent{
		ObjectEvent: NewObjectEvent(d.Object(), d.Params),
		SetFiles:    int(m.Catalogue),
		Groups:      geo.Groups,
		Digests:     d.Root != proto.Digest{},
		Channel:     printable.Text(m.Channel), Component: printable.Text(m.Component), Version: printable.Text(m.Version),
		Sequence: m.Sequence, Created: m.Created, Expires: m.Expires, Expired: m.Expires != 0 && m.Expires <= uint64(now.Unix()),
		Notes: cli.Lines(printable.Lines(m.Notes)), Metadata: m.Metadata,
		Signatures: []signatureEvent{}, // not null in JSON
	}
	least, fast := ReceiversNeed(d.Params)
	e.Memory, e.FastMemory = int64(least), int64(fast)
	e.Name, e.SHA256 = m.Name, hex.EncodeToString(d.SHA256[:])
	if m.IsArchive() {
		e.Directory = m.DirectoryName()
		i := m.Inventory
		e.Inventory = &inventoryEvent{i.Object().String(), i.Size, hex.EncodeToString(i.SHA256[:])}
		leastOf, fastOf := ReceiversNeed(i.Params)
		e.Memory, e.FastMemory = max(e.Memory, int64(leastOf)), max(e.FastMemory, int64(fastOf))
	}
	for _, t := range m.Targets {
		e.Targets = append(e.Targets, printable.Text(t))
	}
	for _, u := range m.Unknown {
		e.Unknown = append(e.Unknown, unknownEvent{u.Type, u.Value})
	}
	for _, s := range m.Signatures {
		e.Signatures = append(e.Signatures, signatureEvent{s.KeyID.String(), signatureStatus(m, s, trusted)})
	}
	if by := proto.Signers(m.AppendTo(nil), trusted); by != nil {
		e.SignedBy = by[0].ID.String()
	}
	return e
}

// Title is the name for people: of a directory, with a slash.
func (e *ManifestEvent) Title() string {
	if e.Directory != "" {
		return e.Directory + "/"
	}
	return e.Name
}

// signatureStatus says what one signature of m is worth.
func signatureStatus(m *proto.Manifest, s proto.Signature, trusted []proto.PublicKey) string {
	alone := *m
	alone.Signatures = []proto.Signature{s}
	if proto.Signers(alone.AppendTo(nil), trusted) != nil {
		return statusVerified
	}
	for _, key := range trusted {
		if key.ID == s.KeyID {
			return StatusWrong
		}
	}
	return statusUnknown
}

// Text is e for people. The object comes first.
func (e *ManifestEvent) Text() string {
	var b strings.Builder
	add := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s  %s\n", what, fmt.Sprintf(format, args...))
	}
	addText := func(what, text string) {
		if text != "" {
			add(what, "%s", text)
		}
	}
	add("object", "%s", e.Object)
	size := "size"
	if e.Directory != "" {
		add("directory", "%s", e.Title())
		add("inventory", "%s, object %s", SizeInBytes(e.Inventory.Bytes), e.Inventory.Object)
		size = "archive"
	} else {
		addText("name", e.Name)
	}
	if e.SetFiles > 0 {
		add("set", "the manifests of %d files", e.SetFiles)
	}
	add(size, "%s", SizeInBytes(e.Bytes))
	add("SHA-256", "%s", e.SHA256)
	digests := "with digests"
	if !e.Digests {
		digests = "no digests"
	}
	add("shards", "%s of %d bytes, code %s, %s", Shape(e.Groups, e.K, e.M), e.Shard, e.Code, digests)
	if e.Memory > 0 {
		add("memory", "%s", Memory(e.Memory, e.FastMemory))
	}
	addText("channel", e.Channel)
	addText("component", e.Component)
	addText("version", e.Version)
	if e.Sequence != 0 || len(e.Signatures) > 0 {
		add("sequence", "%d", e.Sequence)
	}
	if e.Created != 0 {
		add("created", "%s", Date(e.Created))
	}
	switch {
	case e.Expired:
		add("expired", "%s", Date(e.Expires))
	case e.Expires != 0:
		add("expires", "%s", Date(e.Expires))
	}
	for _, t := range e.Targets {
		add("target", "%s", t)
	}
	addText("notes", strings.ReplaceAll(string(e.Notes), "\n", "\n            "))
	if len(e.Metadata) > 0 {
		add("metadata", "%d bytes, see --json", len(e.Metadata))
	}
	for _, u := range e.Unknown {
		add("unknown", "field of type %d with %d bytes, see --json", u.Type, len(u.Value))
	}
	b.WriteString(e.origin())
	return b.String()
}

// origin says who signed it.
func (e *ManifestEvent) origin() string {
	if len(e.Signatures) == 0 {
		return fmt.Sprintf("%-10s  its origin is not known\n", "unsigned")
	}
	var b strings.Builder
	for _, s := range e.Signatures {
		fmt.Fprintf(&b, "%-10s  %s  %s\n", "signed by", s.Key, s.Status)
	}
	return b.String()
}

// Shape describes the groups of an object.
func Shape(groups uint64, k, m int) string {
	if groups == 1 {
		return fmt.Sprintf("1 group of %d+%d shards", k, m)
	}
	return fmt.Sprintf("%d groups of %d+%d shards", groups, k, m)
}

// SizeInBytes is a size in two ways, of which one is exact.
func SizeInBytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%v, %d bytes", quantity.Size(n), n)
}

// Date is a time in Unix seconds, for people. Times that no calendar has are
// numbers.
func Date(seconds uint64) string {
	if seconds > 253402300799 { // the end of the year 9999
		return fmt.Sprintf("%d s after 1970", seconds)
	}
	return time.Unix(int64(seconds), 0).UTC().Format("2006-01-02 15:04:05 UTC")
}
