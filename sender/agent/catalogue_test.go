// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iotupd/proto"
	"iotupd/sender"
)

// sendOnce sends files once, and returns the agent.
func sendOnce(t *testing.T, change func(cfg *Config), names ...string) (*Agent, error) {
	t.Helper()
	a := newLoopbackAgent(t, nil, names...)
	cfg := a.cfg
	cfg.Carousel.Loops, cfg.Carousel.Rate = 1, 1_000_000_000
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { a.Close() })
	return a, a.Send(t.Context())
}

func manyNames(n int) (names []string) {
	for i := range n - 1 {
		names = append(names, fmt.Sprint("more", i))
	}
	return names
}

func TestMoreThanSixteenFilesHaveACatalogue(t *testing.T) {
	for n, want := range map[int]bool{sender.MaxUnlisted: false, sender.MaxUnlisted + 1: true} {
		a, err := sendOnce(t, nil, manyNames(n)...)
		if err != nil {
			t.Fatal(err)
		}
		m, geo := a.Catalogue()
		if (m != nil) != want {
			t.Fatalf("%d files: catalogue %+v", n, m)
		} else if m == nil {
			continue
		}
		all, err := proto.ParseCatalogue(a.catalogue.content, m.Catalogue)
		if err != nil || len(all) != n || geo.Size != m.Descriptor.Size || m.Name != "" {
			t.Fatalf("%d objects, %v, in %+v", len(all), err, m)
		}
		listed := make(map[string]bool)
		for _, m := range all {
			listed[string(m.AppendTo(nil))] = true
		}
		for _, m := range a.Manifests() {
			if !listed[string(m.AppendTo(nil))] {
				t.Errorf("%q is not listed as it is sent", m.Name)
			}
		}
	}
}

func TestParityOfManyFilesIsInOneTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	if _, err := sendOnce(t, func(cfg *Config) { cfg.Prepare.Memory = 1 }, manyNames(40)...); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestOneOfManyFilesThatChangesIsNotSentAnyMore(t *testing.T) {
	const n = 40
	changed, enough := errors.New("changed"), errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	var before uint64
	a := newLoopbackAgent(t, func(e Event) {
		switch e := e.(type) {
		case Dropped:
			if e.Manifest.Name != "more20" || e.Left != n-1 || !errors.Is(e.Err, changed) || before > 0 {
				t.Errorf("%+v", e)
			}
			before = 1
		case Progress:
			if before == 1 {
				before = e.Packets
			} else if before > 1 && e.Packets > before+10 {
				cancel(enough)
			}
		}
	}, manyNames(n)...)
	a.objects[21].check = func() error { return changed }
	if err := a.Send(ctx); !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestManyFilesAreLookedAtInTurn(t *testing.T) {
	// "Of 10,000 files, each has its turn every 40 s."; of a quarter, every 10 s.
	synctest.Test(t, func(t *testing.T) {
		const n = 10 * checkFiles
		looks := make([]atomic.Int32, n)
		a := &Agent{}
		for i := range n {
			a.objects = append(a.objects, &object{check: func() error { looks[i].Add(1); return nil }})
		}
		stop := (&transfer{agent: a}).watch()
		defer stop()
		total := func() (sum int) {
			for i := range looks {
				sum += int(looks[i].Load())
			}
			return sum
		}
		time.Sleep(checkEvery + checkEvery/2)
		synctest.Wait()
		if got := total(); got != checkFiles {
			t.Errorf("%d looks in a second", got)
		}
		time.Sleep(9 * checkEvery)
		synctest.Wait()
		for i := range looks {
			if looks[i].Load() == 0 {
				t.Fatalf("file %d was not looked at in 10 s", i)
			}
		}
	})
}

func TestEqualFilesAreOneObject(t *testing.T) {
	for _, n := range []int{3, 20} {
		_, err := sendOnce(t, func(cfg *Config) {
			for _, i := range []int{0, 1} {
				content, err := os.ReadFile(cfg.File)
				if err == nil {
					err = os.WriteFile(cfg.More[i].Path, content, 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}, manyNames(n)...)
		if err == nil || !errors.As(err, new(*ConfigError)) || !strings.Contains(err.Error(), "have the same content, as have two others") {
			t.Errorf("%d files: %v", n, err)
		}
	}
}

func TestFilesHaveToBeTheOnesOfTheirSet(t *testing.T) {
	const n = 20
	made, err := sendOnce(t, nil, manyNames(n)...)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "release.set")
	write := func(t *testing.T, path, content string) {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		change func(t *testing.T, cfg *Config)
		want   string // empty: no error
	}{
		"all":          {func(*testing.T, *Config) {}, ""},
		"one too few":  {func(_ *testing.T, cfg *Config) { cfg.More = cfg.More[:n-2] }, "release.set lists files that are not given: more18"},
		"many too few": {func(_ *testing.T, cfg *Config) { cfg.More = cfg.More[:n-8] }, "release.set lists files that are not given: more12, more13, more14 and 4 more"},
		"one too many": {func(t *testing.T, cfg *Config) {
			cfg.More[0].Path += "x"
			write(t, cfg.More[0].Path, "content of more0")
		}, `more0x is not in ` + path + `, which lists no file "more0x" of 16 bytes`},
		"another size": {func(t *testing.T, cfg *Config) { write(t, cfg.File, "") }, `fw.bin is not in ` + path + `, which lists no file "fw.bin" of 0 bytes`},
		"one twice":    {func(_ *testing.T, cfg *Config) { cfg.More[3] = cfg.More[4] }, `more4: another file is given already for "more4" in ` + path},
		"another content": {func(t *testing.T, cfg *Config) { write(t, cfg.More[5].Path, "CONTENT OF more5") },
			"more5 is not the file that the manifest describes"},
		"another catalogue":  {func(_ *testing.T, cfg *Config) { cfg.Catalogue.Content[100] ^= 1 }, "release.set: invalid catalogue"},
		"a longer catalogue": {func(_ *testing.T, cfg *Config) { cfg.Catalogue.Content = append(cfg.Catalogue.Content, 0) }, "release.set has"},
		"no catalogue": {func(_ *testing.T, cfg *Config) {
			m := *cfg.Catalogue.Manifest
			m.Catalogue = 0
			cfg.Catalogue.Manifest = &m
		}, "release.set: invalid catalogue"},
	} {
		t.Run(name, func(t *testing.T) {
			m := made.catalogue.manifest
			a, err := sendOnce(t, func(cfg *Config) {
				cfg.Catalogue = &Catalogue{Path: path, Content: append([]byte(nil), made.catalogue.content...), Manifest: &m}
				test.change(t, cfg)
			}, manyNames(n)...)
			switch {
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want == "":
				if got, _ := a.Catalogue(); string(got.AppendTo(nil)) != string(m.AppendTo(nil)) {
					t.Errorf("another manifest: %+v", got)
				}
			}
		})
	}
}
