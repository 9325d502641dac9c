// SPDX-License-Identifier: GPL-2.0-or-later

package golden_test

import (
	"bytes"
	"flag"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/internal/leak"
)

var update = flag.Bool("update", false, "rewrite the traces: look at every difference")

func TestMain(m *testing.M) { os.Exit(leak.Main(m)) }

// skipIfShort skips what the race detector makes slow: one goroutine does all of
// it.
func skipIfShort(t *testing.T) {
	t.Helper()
	if underRace && testing.Short() {
		t.Skip("a single goroutine; run without -short")
	}
}

// A family is a set of scenes whose traces share a file.
type family struct {
	name   string
	scenes []namedScene
}

// A namedScene plays a scene until its end.
type namedScene struct {
	name string
	play func(*scene)
}

var families = []family{
	{"loss", lossScenes},
	{"forgery", forgeryScenes},
	{"reencode", reencodeScenes},
	{"resume", resumeScenes},
	{"reuse", reuseScenes},
	{"layers", layersScenes},
	{"sealing", sealingScenes},
	{"trust", trustScenes},
}

// TestGoldenTraces plays every scene. Its name is its seed.
func TestGoldenTraces(t *testing.T) {
	skipIfShort(t)
	seeds, played := 0, 0
	var losses strings.Builder
	for _, f := range families {
		seeds += len(f.scenes)
		t.Run(f.name, func(t *testing.T) {
			var all bytes.Buffer
			for _, n := range f.scenes {
				s := newScene(t, uint64(crc32.ChecksumIEEE([]byte(f.name+": "+n.name))))
				n.play(s)
				s.end()
				all.WriteString("== " + n.name + "\n" + s.trace.text.String() + "\n")
				losses.WriteString(s.lossLine(f.name+": "+n.name) + "\n")
			}
			compare(t, f.name+".txt", all.Bytes())
			played++
		})
	}
	// How loss is counted may change without a change of anything else.
	if played == len(families) {
		compare(t, "lost-packets.txt", []byte(losses.String()))
	}
	t.Logf("%d seeds", seeds)
}

// compare fails unless got is what a file in testdata has, and shows the first
// lines that differ.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	t.Errorf("%s differs; if that is intended, run with -update", path)
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	section, shown := "", 0
	for i := 0; i < max(len(g), len(w)) && shown < 8; i++ {
		gi, wi := lineOf(g, i), lineOf(w, i)
		if strings.HasPrefix(wi, "== ") {
			section = wi
		}
		if gi != wi {
			t.Logf("line %d, %s\n got %s\nwant %s", i+1, section, gi, wi)
			shown++
		}
	}
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no line)"
}
