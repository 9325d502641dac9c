// SPDX-License-Identifier: GPL-2.0-or-later

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"iotupd/bench"
)

// dataFiles are the names of all files but the plots.
var dataFiles = []string{"run.json", "result.csv", "result.json", "report.html"}

// plotFiles are the names of all plots that there can be.
var plotFiles = []string{"completion.svg", "p99.svg", "slowest.svg", "time.svg", "speedup.svg",
	"schemes.svg", "distribution-1.svg", "distribution-2.svg"}

// A file is the name and content of an output.
type file struct {
	name    string
	content []byte
}

// WriteDir writes result.csv, result.json, report.html, the [Plots] as SVG and
// run.json to dir, which it makes if there is none. It replaces these files, and
// removes the plots that are now out of date, if the run.json of an earlier run
// is there. Without one, a file of such a name is not bench's, and WriteDir
// refuses before it writes anything. Other files in dir do not matter.
//
// All is written beside the files before the first is replaced, so a full disk
// leaves the earlier ones as they were.
func WriteDir(dir string, r bench.Result, p Provenance) error {
	files, err := outputs(r, p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("report: make %s: %w", dir, cause(err))
	}
	replaces, err := checkDir(dir)
	if err != nil {
		return err
	}
	if err := replaceAll(dir, files); err != nil || !replaces {
		return err
	}
	return removeStale(dir, files)
}

// outputs returns all files for r, run.json first: whatever happens after it is
// in place, the next run knows that the files are bench's.
func outputs(r bench.Result, p Provenance) ([]file, error) {
	files := []file{{name: "run.json"}}
	for _, w := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"result.csv", func(w io.Writer) error { return CSV(w, r) }},
		{"result.json", func(w io.Writer) error { return JSON(w, r) }},
		{"report.html", func(w io.Writer) error { return HTML(w, r, p) }},
	} {
		var b bytes.Buffer
		if err := w.write(&b); err != nil {
			return nil, err
		}
		files = append(files, file{w.name, b.Bytes()})
	}
	for _, plot := range Plots(r) {
		files = append(files, file{plot.Name + ".svg", plot.SVG()})
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.name
	}
	var err error
	files[0].content, err = p.runJSON(r, names)
	return files, err
}

// ours reports whether an earlier run wrote to dir.
func ours(dir string) (bool, error) {
	name := filepath.Join(dir, "run.json")
	in, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("report: read %s: %w", name, cause(err))
	}
	var about run
	return json.Unmarshal(in, &about) == nil && (about.Format == runFormat || about.Format == runFormat1), nil
}

// CheckDir returns the error of [WriteDir] about files in dir that are not
// bench's, for use before a long experiment. A missing dir is not an error.
func CheckDir(dir string) error {
	_, err := checkDir(dir)
	return err
}

// checkDir reports whether the files in dir are there to be replaced.
func checkDir(dir string) (replaces bool, err error) {
	if replaces, err = ours(dir); err != nil || replaces {
		return replaces, err
	}
	for _, f := range slices.Concat(dataFiles, plotFiles) {
		name := filepath.Join(dir, f)
		if _, err := os.Lstat(name); err == nil {
			return false, fmt.Errorf("report: %s exists, and without a run.json of bench beside it it may be yours: name another directory, or remove it", name)
		}
	}
	return false, nil
}

// replaceAll writes files to temporary ones and then renames these.
func replaceAll(dir string, files []file) (err error) {
	var temporary []string
	defer func() {
		for _, name := range temporary {
			os.Remove(name)
		}
	}()
	for _, f := range files {
		name, err := writeTemporary(dir, f)
		if err != nil {
			return fmt.Errorf("report: write %s: %w", filepath.Join(dir, f.name), cause(err))
		}
		temporary = append(temporary, name)
	}
	for _, f := range files {
		if err := os.Rename(temporary[0], filepath.Join(dir, f.name)); err != nil {
			return fmt.Errorf("report: replace %s: %w", filepath.Join(dir, f.name), cause(err))
		}
		temporary = temporary[1:]
	}
	return nil
}

// writeTemporary writes f beside its place and returns the name.
func writeTemporary(dir string, f file) (name string, err error) {
	t, err := os.CreateTemp(dir, "."+f.name+".*")
	if err != nil {
		return "", err
	}
	_, err = t.Write(f.content)
	err = errors.Join(err, t.Chmod(0o644), t.Close())
	if err != nil {
		os.Remove(t.Name())
		return "", err
	}
	return t.Name(), nil
}

// removeStale removes the plots of an earlier run that files do not replace.
func removeStale(dir string, files []file) error {
	current := make(map[string]bool)
	for _, f := range files {
		current[f.name] = true
	}
	for _, name := range plotFiles {
		if current[name] {
			continue
		}
		name = filepath.Join(dir, name)
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("report: remove %s of an earlier run: %w", name, cause(err))
		}
	}
	return nil
}

// cause returns err without the operation and the name, which the caller adds.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}
