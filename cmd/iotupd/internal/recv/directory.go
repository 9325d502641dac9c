// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto/archive"
	"iotupd/receiver/agent"
	"iotupd/receiver/directory"
)

// directoryOptions are the flags of recv about directories.
type directoryOptions struct {
	replace    bool
	link       bool
	preserve   cli.PreserveFlag
	maxEntries int
}

func (o *directoryOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.replace, "replace", false, "replace a directory of the sent name that iotupd did not make, or in which files were added or changed")
	flags.BoolVar(&o.link, "link", false, "make the received directory a symbolic link to a hidden one, which the next update changes in one step on any file system")
	flags.Var(&o.preserve, "preserve", "set these attributes of a directory as sent: a `list` of owners, xattrs and special (devices, FIFOs, setuid bits), or all (default none)")
	flags.IntVar(&o.maxEntries, "max-entries", directory.DefaultEntries, "refuse directories with more than `n` entries")
}

func (o *options) validateDirectories() error {
	switch {
	case o.dir != "" && !o.all:
		if o.maxEntries < 1 || o.maxEntries > archive.MaxEntries {
			return cli.UsageError("--max-entries %d: want 1 to %d", o.maxEntries, archive.MaxEntries)
		}
	case o.replace || o.link || o.preserve != cli.PreserveFlag{} || o.maxEntries != directory.DefaultEntries:
		return cli.UsageError("--replace, --link, --preserve and --max-entries are for directories, which need -d DIR, without --all")
	}
	return nil
}

// directories sets how directories are received. Those of --reuse are taken out of it.
func (o *options) directories(cfg *agent.Config) {
	if o.dir == "" || o.all {
		return
	}
	cfg.Directories = o.dir
	cfg.Directory = directory.Config{
		Replace: o.replace, Link: o.link, Preserve: archive.Preserve(o.preserve), MaxEntries: o.maxEntries, MaxFile: uint64(o.maxSize),
	}
	for _, path := range o.reuse {
		if isDirectory(path) {
			cfg.Directory.Reuse = append(cfg.Directory.Reuse, path)
		}
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// An inventoryEvent says what is in the directory that is received.
type inventoryEvent struct {
	Object  string `json:"object"`
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Bytes   uint64 `json:"bytes"`        // of the archive
	Reused  uint64 `json:"bytes_reused"` // of Bytes, in older directories
}

func (v *view) inventory(e agent.InventoryRead) {
	d := e.Manifest.Descriptor
	v.out.Event("inventory", inventoryEvent{
		Object: d.Object().String(), Name: e.Manifest.DirectoryName(), Entries: e.Entries, Bytes: d.Size, Reused: e.Reused,
	})
	reused := ""
	if e.Reused > 0 {
		reused = fmt.Sprintf("; %v of %v are in the older one", quantity.Size(e.Reused), quantity.Size(d.Size))
	}
	v.out.Line("directory %s: %d entries%s", e.Manifest.DirectoryName(), e.Entries, reused)
}

// An unpackingEvent says how far a directory is.
type unpackingEvent struct {
	Phase    string `json:"phase"`
	Files    int    `json:"phase_files_done"`
	AllFiles int    `json:"phase_files"`
	Bytes    uint64 `json:"phase_bytes_done"`
	AllBytes uint64 `json:"phase_bytes"`
}

var phaseTexts = map[directory.Phase]string{
	directory.Hashing:    "comparing the older directory",
	directory.Extracting: "writing the directory",
	directory.Removing:   "removing the older directory",
}

func (v *view) unpacking(e agent.DirectoryProgress) {
	removing := e.Phase == directory.Removing
	if e.AllFiles == 0 && !removing {
		return // there is nothing to do
	}
	v.out.Event("unpacking", unpackingEvent{e.Phase.String(), e.Files, e.AllFiles, e.Bytes, e.AllBytes})
	if removing { // nobody counts them before
		v.out.ProgressLine(fmt.Sprintf(" %s: %d files", phaseTexts[e.Phase], e.Files))
		return
	}
	v.out.ProgressLine(fmt.Sprintf(" %s: %d of %d files  %v", phaseTexts[e.Phase], e.Files, e.AllFiles, quantity.Size(e.Bytes)))
}
