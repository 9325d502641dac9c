// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto/archive"
	"iotupd/sender/filesource"
)

var benchDir = flag.String("dir", "", "directory for the benchmark; empty: 100,000 files of 2 KB are made")

// hundredThousand makes 100,000 files of 2 KB in 1,000 directories.
func hundredThousand(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	content := make([]byte, 2000)
	for i := range 1000 {
		sub := filepath.Join(dir, fmt.Sprintf("directory-%03d", i))
		if err := os.Mkdir(sub, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range 100 {
			copy(content, fmt.Sprint(i, j))
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("file-%03d.json", j)), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return dir
}

// heap returns how many bytes are in use.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkPrepare says how long each step takes, and how much memory an entry does while the
// directory is sent.
func BenchmarkPrepare(b *testing.B) {
	dir := *benchDir
	if dir == "" {
		dir = hundredThousand(b)
	}
	for b.Loop() {
		before, at := heap(), time.Now()
		step := func(name string) {
			b.ReportMetric(time.Since(at).Seconds(), name+"-s")
			at = time.Now()
		}
		d, err := Scan(b.Context(), dir, Config{Preserve: archive.Preserve{}})
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		step("scan")
		b.ReportMetric((heap()-before)/float64(d.Inventory().Len()), "B/entry")
		at = time.Now()
		if err := d.Hash(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		step("hash")
		p, err := fec.Policy{}.Params(uint64(d.Size()))
		if err != nil {
			b.Fatal(err)
		}
		o, err := filesource.Prepare(b.Context(), d, p, filesource.Config{})
		if err != nil {
			b.Fatal(err)
		}
		step("archive")
		o.Close()
		if p, err = (fec.Policy{}).Params(uint64(len(d.Inventory().Bytes()))); err != nil {
			b.Fatal(err)
		}
		if o, err = filesource.PrepareBytes(b.Context(), d.Inventory().Bytes(), p, filesource.Config{}); err != nil {
			b.Fatal(err)
		}
		step("inventory")
		o.Close()
		if err := d.Check(); err != nil {
			b.Fatal(err)
		}
		step("check")
		b.ReportMetric(float64(d.Size())/1e6, "archive-MB")
		b.ReportMetric(float64(len(d.Inventory().Bytes()))/1e6, "inventory-MB")
	}
}
