// SPDX-License-Identifier: GPL-2.0-or-later

package filesource

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"iotupd/fec"
)

// newPool opens so many files, of which few are open at a time.
func newPool(t *testing.T, most, files int) (*Pool, []*File) {
	t.Helper()
	p, dir := NewPool(most), t.TempDir()
	var all []*File
	for i := range files {
		path := filepath.Join(dir, fmt.Sprint("fw", i))
		write(t, path, fmt.Sprintf("firmware %d", i))
		f, err := p.Open(path)
		check(t, err)
		t.Cleanup(func() { check(t, f.Close()) })
		all = append(all, f)
	}
	return p, all
}

// shutAll closes all files, so that they have to be opened again.
func (p *Pool) shutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.idle.Len() > 0 {
		p.shut(p.idle.Front().Value.(*File))
	}
}

func TestAPoolKeepsFewFilesOpen(t *testing.T) {
	const most = 3
	p, all := newPool(t, most, 30)
	for range 2 {
		for i, f := range all {
			want := fmt.Sprintf("firmware %d", i)
			b := make([]byte, len(want))
			if _, err := f.ReadAt(b, 0); err != nil || string(b) != want {
				t.Fatalf("%q, %v, want %q", b, err, want)
			}
			if p.open > most {
				t.Fatalf("%d files are open", p.open)
			}
		}
	}
	if all[0].file != nil || all[29].file == nil {
		t.Error("other files are open than the ones that were read last")
	}
}

func TestAPoolIsForManyReaders(t *testing.T) {
	p, all := newPool(t, 2, 20)
	var readers sync.WaitGroup
	for r := range 8 {
		readers.Go(func() {
			for i := range 300 {
				f := all[(i*7+r*3)%len(all)]
				b := make([]byte, 8)
				if _, err := f.ReadAt(b, 0); err != nil || string(b) != "firmware" {
					t.Errorf("%q, %v", b, err)
				}
			}
		})
	}
	readers.Wait()
	if p.open > 2 || p.open != p.idle.Len() {
		t.Errorf("%d files are open, %d are not read", p.open, p.idle.Len())
	}
}

func TestAFileThatIsAnotherOneWhenItIsOpenedAgainIsNotSent(t *testing.T) {
	other := func(t *testing.T, path string) { // of the same size and age
		info, err := os.Stat(path)
		check(t, err)
		write(t, path+".new", "FIRMWARE 0")
		check(t, os.Chtimes(path+".new", time.Time{}, info.ModTime()))
		check(t, os.Rename(path+".new", path))
	}
	for name, change := range map[string]func(t *testing.T, path string){
		"longer": func(t *testing.T, path string) { appendTo(t, path, "more") },
		"cut":    func(t *testing.T, path string) { check(t, os.Truncate(path, 3)) },
		"touched": func(t *testing.T, path string) {
			check(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
		},
		"replaced": other,
		"removed":  func(t *testing.T, path string) { check(t, os.Remove(path)) },
		"a directory": func(t *testing.T, path string) {
			check(t, os.Remove(path))
			check(t, os.Mkdir(path, 0o777))
		},
		"rewritten, with its old time": func(t *testing.T, path string) {
			// As if another file had got the number of one that was removed.
			if id, _ := identity(os.Stdin); id == "" {
				t.Skip("this system does not say when a file has changed in any way")
			}
			info, err := os.Stat(path)
			check(t, err)
			write(t, path, "FIRMWARE 0")
			check(t, os.Chtimes(path, time.Time{}, info.ModTime()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, all := newPool(t, 1, 1)
			f := all[0]
			params, err := fec.Policy{}.Params(uint64(f.Size()))
			check(t, err)
			o, err := Prepare(t.Context(), f, params, Config{Sparse: true})
			check(t, err)
			defer o.Close()
			p.shutAll()
			change(t, f.path)
			_, err = o.Shards.AppendShard(nil, 0, 0)
			if err = Cause(err); !errors.As(err, new(*ChangedError)) && !errors.As(err, new(*FileError)) && !errors.As(err, new(*KindError)) {
				t.Errorf("got %v, want an error of the file", err)
			}
			if name == "rewritten, with its old time" {
				return // shows when it is read, and not before
			}
			if err := f.Check(); err == nil {
				t.Error("nothing is wrong with it by itself")
			}
		})
	}
}

func TestAFileWithAnotherModeOrMoreLinksIsTheSame(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	p, all := newPool(t, 1, 1)
	f := all[0]
	params, err := fec.Policy{}.Params(uint64(f.Size()))
	check(t, err)
	o, err := Prepare(t.Context(), f, params, Config{Sparse: true})
	check(t, err)
	defer o.Close()
	for _, change := range []func() error{
		func() error { return os.Chmod(f.path, 0o400) },
		func() error { return os.Link(f.path, f.path+".backup") },
	} {
		p.shutAll()
		check(t, change())
		if _, err := o.Shards.AppendShard(nil, 0, 0); err != nil {
			t.Error(err)
		}
		check(t, f.Check())
	}
}

func TestSeveralFilesShareATemporaryFile(t *testing.T) {
	_, all := newPool(t, 1, 3)
	params, err := fec.Policy{}.Params(uint64(all[0].Size()))
	check(t, err)
	geo, err := params.Geometry()
	check(t, err)
	cfg := Config{Memory: 1}
	n, err := cfg.ScratchBytes(geo)
	check(t, err)
	if cfg.Scratch, err = NewScratch(int64(2 * n)); err != nil {
		t.Fatal(err)
	}
	defer cfg.Scratch.Close()
	for i, f := range all {
		want, err := Prepare(t.Context(), f, params, Config{})
		check(t, err)
		defer want.Close()
		o, err := Prepare(t.Context(), f, params, cfg)
		if i == 2 {
			if err == nil {
				t.Error("there is room for a third file")
			}
			continue
		}
		check(t, err)
		defer o.Close()
		for index := range params.K + params.M {
			got, err1 := o.Shards.AppendShard(nil, 0, index)
			same, err2 := want.Shards.AppendShard(nil, 0, index)
			if err := errors.Join(err1, err2); err != nil || string(got) != string(same) {
				t.Errorf("shard %d of file %d differs, %v", index, i, err)
			}
		}
	}
}
