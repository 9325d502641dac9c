// SPDX-License-Identifier: GPL-2.0-or-later

package encode

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/quantity"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
)

// Files are the files that a command line names: its arguments, and the lines of a list.
type Files struct {
	List string // path of a list; "-": stdin
}

// AddFlags declares the flag.
func (f *Files) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.List, "files-from", "", "`file` with the paths of more files, one a line; - reads them from stdin (default none)")
}

// maxListBytes bounds what is read of a list.
const maxListBytes = 256 << 20

// Paths returns the paths of all files. Manifests are left out that lie beside a file which
// is named too, as in `send DIR/*`; so are the paths in without.
func (f *Files) Paths(args []string, without ...string) ([]string, error) {
	all := args
	if f.List != "" {
		lines, err := f.read()
		if err != nil {
			return nil, err
		}
		all = append(all[:len(all):len(all)], lines...)
	}
	named := make(map[string]bool, len(all))
	for _, path := range all {
		named[filepath.Clean(path)] = true
	}
	var paths []string
	for _, path := range all {
		if file, ok := strings.CutSuffix(path, manifestfile.Suffix); ok && named[filepath.Clean(file)] || slices.Contains(without, path) {
			continue
		}
		if err := CheckFile(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	switch {
	case len(paths) == 0 && f.List == "":
		return nil, cli.UsageError("no file is left beside the set and manifests of other files")
	case len(paths) == 0:
		return nil, cli.UsageError("--files-from %s: there is no file in this list", f.List)
	case len(paths) > sender.MaxObjects:
		return nil, cli.UsageError("%d files: a set has at most %d", len(paths), sender.MaxObjects)
	}
	return paths, nil
}

// read returns the lines of the list that are not empty.
func (f *Files) read() (lines []string, err error) {
	from := os.Stdin
	if f.List != "-" {
		if from, err = os.Open(f.List); err != nil {
			return nil, cli.LocalError("--files-from "+f.List, err)
		}
		defer from.Close()
	}
	limited := &io.LimitedReader{R: from, N: maxListBytes}
	scan := bufio.NewScanner(limited)
	for scan.Scan() {
		if line := strings.TrimSuffix(scan.Text(), "\r"); line != "" {
			lines = append(lines, line)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, cli.LocalError("--files-from "+f.List, err)
	}
	if limited.N == 0 {
		return nil, cli.UsageError("--files-from %s: more than %v", f.List, quantity.Size(maxListBytes))
	}
	return lines, nil
}
