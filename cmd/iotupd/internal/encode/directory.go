// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/proto/archive"
	"iotupd/proto/manifestfile"
	"iotupd/sender/directory"
)

// Directories are the flags for directories.
type Directories struct{ Preserve archive.Preserve }

// AddFlags declares the flag.
func (o *Directories) AddFlags(flags *pflag.FlagSet) {
	flags.Var((*cli.PreserveFlag)(&o.Preserve), "preserve", "`list` of what is sent of directories beside names, permissions, times and content: owners, xattrs (with ACLs), special (devices, FIFOs, setuid and setgid bits) or all (default none)")
}

// Completions says how the shell completes their values.
func (o *Directories) Completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{"preserve": cli.OneOf(cli.PreserveChoices...)}
}

// IsDirectory reports whether a path leads to a directory. If that is not known, opening the
// file says why.
func IsDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Scan reads what is in a directory, and warns of what is not sent. It returns nil if path
// does not lead to a directory. The name that receivers are to see, by default the one of the
// directory, is checked first. found, if not nil, is called again and again with the number of
// entries found.
func (o *Directories) Scan(ctx context.Context, out *cli.Output, path, name string, found func(entries int)) (*directory.Directory, error) {
	if !IsDirectory(path) {
		return nil, nil
	}
	if err := proto.CheckName(cmp.Or(name, filepath.Base(Named(path)))); err != nil {
		return nil, NameError(err)
	}
	d, err := directory.Scan(ctx, path, directory.Config{Preserve: o.Preserve, Progress: func(entries int) {
		if found != nil {
			found(entries)
		}
		if !out.IsJSON() && out.ProgressDue(time.Now()) {
			out.ProgressLine(fmt.Sprintf(" reading %s: %d files and directories", path, entries))
		}
	}})
	if err != nil {
		return nil, err
	}
	warnLeftOut(out, d)
	return d, nil
}

// warnLeftOut warns of what is not sent of a directory.
func warnLeftOut(out *cli.Output, d *directory.Directory) {
	const again = "iotupd send --preserve special DIR   # and --preserve special for receivers"
	const owners = "iotupd send --preserve special,owners DIR   # and the same for receivers"
	for _, w := range []struct {
		directory.LeftOut
		code, what, fix string
	}{
		{d.Sockets, reason.SocketsLeftOut, "sockets are left out, which only programs can make", ""},
		{d.Special, reason.SpecialLeftOut, "devices and FIFOs are left out", again},
		{d.Bits, reason.BitsCleared, "files and directories lose their setuid or setgid bit", owners},
	} {
		if w.Entries > 0 {
			text := fmt.Sprintf("%s: %s, %d in all, such as %q", d.Path(), w.what, w.Entries, w.First)
			out.Warn(cli.Warning{Code: w.code, Text: text, Fix: w.fix})
		}
	}
}

// Named returns the path of a file, or of a directory without a slash at its end, and by its
// name: a manifest lies beside it.
func Named(path string) string {
	clean := filepath.Clean(path)
	if base := filepath.Base(clean); base == "." || base == ".." {
		if abs, err := filepath.Abs(clean); err == nil {
			return abs
		}
	}
	return clean
}

// Beside returns where the manifest of a file or directory is.
func Beside(path string) string {
	if !IsDirectory(path) {
		return path + manifestfile.Suffix
	}
	return Named(path) + manifestfile.Suffix
}

// Counted says what is in a directory.
func Counted(c directory.Counts) string {
	text := number(c.Files, "file", "files") + ", " + number(c.Directories, "directory", "directories")
	if c.Others > 0 {
		text += ", " + number(c.Others, "other entry", "other entries")
	}
	return text + fmt.Sprintf(", %v of content", quantity.Size(c.Content))
}

func number(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
