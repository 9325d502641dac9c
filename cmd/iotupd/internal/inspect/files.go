// SPDX-License-Identifier: GPL-2.0-or-later

package inspect

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/printable"
	"iotupd/internal/quantity"
	"iotupd/proto/archive"
	"iotupd/receiver/monitor"
)

// A fileEvent is an entry of a directory that is being sent.
type fileEvent struct {
	Object string   `json:"object"` // the archive
	Path   cli.Path `json:"path"`
	Type   string   `json:"entry_type"`
	Mode   string   `json:"permissions,omitempty"` // octal
	Bytes  uint64   `json:"bytes"`
	Time   float64  `json:"modified_unix_seconds"`
	SHA256 string   `json:"sha256,omitempty"` // of its content
	Target cli.Path `json:"link_target,omitempty"`
	Offset uint64   `json:"archive_offset"`  // in the archive
	Owner  string   `json:"owner,omitempty"` // user:group, numbers
	Xattrs int      `json:"extended_attributes,omitempty"`
}

// files lists what is in the directories that were heard.
func (v *channelView) files(print func(format string, args ...any)) {
	for _, o := range v.monitor.Objects {
		if o.Manifest == nil || !o.Manifest.IsArchive() || !v.opts.files {
			continue
		}
		inv := o.Inventory()
		if inv == nil {
			print("directory   %s: its inventory has not arrived completely; listen longer, by --for", o.Manifest.DirectoryName())
			continue
		}
		print("directory   %s: %d entries, of %v", o.Manifest.DirectoryName(), inv.Len(), quantity.Size(inv.ArchiveSize()))
		for i, e := range inv.All() {
			v.file(o, inv, i, e, print)
		}
		print("")
	}
}

// file lists an entry.
func (v *channelView) file(o *monitor.Object, inv *archive.Inventory, i int, e *archive.Entry, print func(format string, args ...any)) {
	offset, _ := inv.Extent(i)
	event := fileEvent{
		Object: o.Manifest.Descriptor.Object().String(), Path: cli.Path(e.Path), Type: strings.ReplaceAll(e.Type.String(), " ", "_"),
		Bytes: e.Size, Offset: offset, Xattrs: len(e.Xattrs), Target: cli.Path(e.Target),
	}
	text := e.Path
	switch {
	case e.Path == "":
		event.Path, text = ".", "."
	case e.Type == archive.HardLink:
		to := inv.Entry(e.LinkedTo)
		event.Target = cli.Path(to.Path)
		text += " = " + to.Path
	case e.Type == archive.Symlink:
		text += " -> " + e.Target
	}
	if e.Type != archive.HardLink {
		event.Mode = fmt.Sprintf("%04o", e.Mode)
		event.Time = float64(e.Seconds) + float64(e.Nanoseconds)/1e9
	}
	if e.Stored() > 0 {
		event.SHA256 = hex.EncodeToString(e.SHA256[:])
	}
	if e.Owned {
		event.Owner = strconv.FormatUint(uint64(e.User), 10) + ":" + strconv.FormatUint(uint64(e.Group), 10)
	}
	v.out.Final("content", event, "")
	when := strings.Repeat(" ", 16)
	if e.Type != archive.HardLink {
		when = time.Unix(e.Seconds, 0).UTC().Format("2006-01-02 15:04")
	}
	print("  %s%4s %10v  %s  %s", kind(e.Type), event.Mode, sizeOf(e), when, printable.Text(text))
}

// kind is the letter by which ls shows a type.
func kind(t archive.Type) string { return " d--lhcbp"[t:][:1] }

func sizeOf(e *archive.Entry) string {
	if !e.Type.HasContent() {
		return ""
	}
	return quantity.Size(e.Size).String()
}
