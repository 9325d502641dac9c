// SPDX-License-Identifier: GPL-2.0-or-later

package agent_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/agent"
	"iotupd/sender/directory"
	"iotupd/sender/filesource"
)

// newDirectory makes a directory with a few files.
func newDirectory(t *testing.T, content string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	for name, content := range map[string]string{"a": content, "sub/b": "content of b", "sub/empty": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var once = sender.Config{Rate: -1, Loops: 1}

func TestADirectoryIsSentAsTwoObjects(t *testing.T) {
	dir := newDirectory(t, "content")
	events, m, err := send(t, t.Context(), agent.Config{File: dir, Carousel: once})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "data.tar" || m.DirectoryName() != "data" || m.Inventory.SHA256 == (proto.Descriptor{}).SHA256 || m.Inventory.Root == (proto.Digest{}) {
		t.Errorf("got manifest %+v", m)
	}
	fractions := []float64{}
	for _, e := range events {
		if e, ok := e.(agent.Preparing); ok {
			fractions = append(fractions, e.Fraction)
		}
	}
	if !slices.IsSorted(fractions) || len(fractions) < 3 || fractions[len(fractions)-1] < 0.999 {
		t.Errorf("preparing: %v", fractions)
	}
	named := agent.Config{File: dir, Name: "other", Carousel: once}
	if _, other, err := send(t, t.Context(), named); err != nil || other.Name != "other.tar" || other.Descriptor != m.Descriptor || other.Inventory != m.Inventory {
		t.Errorf("with another name: %v, %+v", err, other)
	}
	t.Chdir(dir)
	if _, here, err := send(t, t.Context(), agent.Config{File: ".", Carousel: once}); err != nil || here.Name != "data.tar" || here.Descriptor != m.Descriptor {
		t.Errorf("of the current directory: %v, %+v", err, here)
	}
}

func TestAManifestHasToBeOfTheDirectory(t *testing.T) {
	dir := newDirectory(t, "content")
	_, m, err := send(t, t.Context(), agent.Config{File: dir, Carousel: once})
	if err != nil {
		t.Fatal(err)
	}
	given := *m
	if _, _, err := send(t, t.Context(), agent.Config{File: dir, Manifest: &given, Carousel: once}); err != nil {
		t.Errorf("its own: %v", err)
	}
	other := given
	other.Inventory.SHA256[0]++
	if _, _, err := send(t, t.Context(), agent.Config{File: dir, Manifest: &other, Carousel: once}); !isA[*agent.MismatchError](err) {
		t.Errorf("with another inventory: %v", err)
	}
	for _, content := range []string{"another", "longer than that, by more than a block" + strings.Repeat(".", 512)} {
		if err := os.WriteFile(filepath.Join(dir, "a"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := send(t, t.Context(), agent.Config{File: dir, Manifest: &given, Carousel: once}); !isA[*agent.MismatchError](err) {
			t.Errorf("%q: got %v", content, err)
		}
	}
	if _, _, err := send(t, t.Context(), agent.Config{File: newFile(t, "content"), Manifest: &given, Carousel: once}); !isA[*agent.ConfigError](err) {
		t.Errorf("a file: %v", err)
	}
	_, of, err := send(t, t.Context(), agent.Config{File: newFile(t, "content"), Carousel: once})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := send(t, t.Context(), agent.Config{File: dir, Manifest: of, Carousel: once}); !isA[*agent.ConfigError](err) {
		t.Errorf("a manifest of a file: %v", err)
	}
}

func TestADirectoryThatChangesIsNotSentAnyMore(t *testing.T) {
	for _, more := range [][]agent.File{nil, {{Path: newFile(t, "another")}}} {
		dir := newDirectory(t, "content")
		added := filepath.Join(dir, "sub", "new")
		ctx, cancel := context.WithCancel(t.Context())
		cfg := agent.Config{File: dir, More: more, Network: loopback(t)}
		var dropped error
		cfg.Observe = func(e agent.Event) {
			switch e := e.(type) {
			case agent.Sending:
				if err := os.WriteFile(added, nil, 0o644); err != nil {
					t.Error(err)
				}
			case agent.Dropped:
				if dropped = e.Err; e.Left != 1 || e.Manifest.Name != "data.tar" {
					t.Errorf("%+v", e)
				}
				cancel()
			}
		}
		a, err := agent.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = a.Send(ctx)
		if more != nil { // the other file would be sent on
			if !errors.Is(err, context.Canceled) {
				t.Errorf("with another file: %v", err)
			}
			err = dropped
		}
		var changed *filesource.ChangedError
		if !errors.As(err, &changed) || changed.Path != added || changed.How != filesource.Added {
			t.Errorf("with %d files: got %v", len(more), err)
		}
		cancel()
		a.Close()
	}
}

func TestDirectoriesCountAsTwoFiles(t *testing.T) {
	dir := newDirectory(t, "content")
	more := []agent.File{}
	for range 14 {
		more = append(more, agent.File{Path: newFile(t, "content of "+t.TempDir())})
	}
	a, err := agent.New(agent.Config{File: dir, More: more, Network: loopback(t)})
	if err != nil {
		t.Fatalf("a directory and 14 files: %v", err)
	}
	a.Close()
	for _, n := range []int{1, 10} {
		for range n {
			more = append(more, agent.File{Path: newFile(t, "content of "+t.TempDir())})
		}
		_, err = agent.New(agent.Config{File: dir, More: more, Network: loopback(t)})
		if !isA[*agent.ConfigError](err) || !strings.Contains(err.Error(), "at most 16") {
			t.Errorf("a directory and %d files: %v", len(more), err)
		}
	}
}

// "--memory counts both": what does not fit, of archive and inventory together, goes to one
// temporary file.
func TestADirectoryKeepsToItsMemory(t *testing.T) {
	dir := newDirectory(t, "content")
	a, err := agent.New(agent.Config{File: dir, Network: loopback(t), Carousel: once, Prepare: filesource.Config{Memory: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	sum, scratch := uint64(0), uint64(0)
	for i, d := range a.Directories() {
		n, _ := d.Preparation.MemoryBytes(d.Geometry)
		m, _ := a.Preparations()[i].MemoryBytes(a.Geometries()[i])
		sum += n + m
		n, _ = d.Preparation.ScratchBytes(d.Geometry)
		m, _ = a.Preparations()[i].ScratchBytes(a.Geometries()[i])
		if n == 0 || m == 0 {
			t.Errorf("%d bytes of the inventory and %d of the archive in the temporary file", n, m)
		}
		scratch += n + m
	}
	if sum > 1 || scratch == 0 {
		t.Errorf("%d bytes in memory, %d in a temporary file", sum, scratch)
	}
	if err := a.Send(t.Context()); err != nil {
		t.Error(err)
	}
}

// The key of a cache is the inventory, which determines the archive.
func TestACacheKnowsADirectoryByItsInventory(t *testing.T) {
	dir, cache := newDirectory(t, "content"), t.TempDir()
	outcome := func() (all []filesource.CacheOutcome) {
		t.Helper()
		events, _, err := send(t, t.Context(), agent.Config{File: dir, Carousel: once, Prepare: filesource.Config{Cache: cache}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e, ok := e.(agent.Cached); ok {
				all = append(all, e.Outcome)
			}
		}
		return all
	}
	for i, want := range []filesource.CacheOutcome{filesource.CacheMiss, filesource.CacheHit} {
		if got := outcome(); !slices.Equal(got, []filesource.CacheOutcome{want}) {
			t.Errorf("time %d: %v, want %v", i, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("CONTENT"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := outcome(); !slices.Equal(got, []filesource.CacheOutcome{filesource.CacheMiss}) {
		t.Errorf("after a change: %v", got)
	}
}

func TestADirectoryIsSentWithoutDigestsAndInLayers(t *testing.T) {
	dir := newDirectory(t, "content")
	for name, cfg := range map[string]agent.Config{
		"no digests": {Prepare: filesource.Config{WithoutDigests: true}, Carousel: once},
		"layers":     {Carousel: sender.Config{Rate: 2_000_000, Layers: 3, Loops: 1}},
	} {
		cfg.File = dir
		_, m, err := send(t, t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if none := m.Inventory.Root == (proto.Digest{}); none != cfg.Prepare.WithoutDigests || none != (m.Descriptor.Root == proto.Digest{}) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestAScanThatIsGivenIsUsed(t *testing.T) {
	dir := newDirectory(t, "content")
	d, err := directory.Scan(t.Context(), dir, directory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, m, err := send(t, t.Context(), agent.Config{File: dir, Directory: d, Carousel: once}); err != nil || m.Name != "data.tar" {
		t.Errorf("%v, %+v", err, m)
	}
	if runtime.GOOS == "linux" && d.Look() == nil {
		t.Error("the agent has not closed it")
	}
}
