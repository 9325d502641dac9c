// SPDX-License-Identifier: GPL-2.0-or-later

package directory

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A medium is a file system in a file, which is copied at the moment of a power cut: then
// everything is lost that the system had in memory only.
type medium struct {
	*testing.T
	image string
	dir   string
}

// needMedia skips the test if there are no such file systems here.
func needMedia(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts file systems")
	}
	if testing.Short() {
		t.Skip("-short leaves out the states after a power cut")
	}
	m := &medium{T: t, image: filepath.Join(t.TempDir(), "probe"), dir: t.TempDir()}
	if err := m.make("ext4", "-O", "^resize_inode", "-J", "size=1"); err != nil {
		t.Skipf("no file system can be made here: %v", err)
	}
	if err := m.mount(); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	m.unmount()
}

func (m *medium) run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %v: %s", name, err, out)
	}
	return nil
}

// make makes the file system.
func (m *medium) make(kind string, options ...string) error {
	if err := os.WriteFile(m.image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(m.image, 8<<20); err != nil {
		return err
	}
	return m.run("mkfs."+kind, append(append([]string{"-q"}, options...), m.image)...)
}

// mount mounts it. The system writes nothing of its own accord for long.
func (m *medium) mount() error {
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	return m.run("mount", "-o", "loop,commit=300", m.image, m.dir)
}

func (m *medium) unmount() {
	m.Helper()
	if err := m.run("umount", m.dir); err != nil {
		m.Error(err)
	}
}

// "power cuts at each step of the exchange: old tree or new tree, never a mixture"
func TestPowerCutsAtEachStep(t *testing.T) {
	needMedia(t)
	everything := os.Getenv("IOTUPD_E2E_FULL") == "1"
	for _, w := range ways() {
		if !everything && !slices.Contains([]string{"exchange", "two renames", "link"}, w.name) {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			m := &medium{T: t, image: filepath.Join(t.TempDir(), "medium"), dir: filepath.Join(t.TempDir(), "mounted")}
			check(t, m.make("ext4", "-O", "^resize_inode", "-J", "size=1"))
			check(t, m.mount())
			cuts := m.record(&w, everything)
			m.unmount()
			for i, image := range cuts {
				cut := &medium{T: t, image: image, dir: m.dir}
				check(t, cut.mount())
				dir := filepath.Join(cut.dir, "place")
				r := &receiver{TB: t, Place: Open(dir, w.cfg)}
				when := fmt.Sprintf("power cut at step %d, %s", i+1, filepath.Base(image))
				if _, err := w.isComplete(r, dir); err != nil && w.always {
					t.Errorf("%s: %v", when, err)
				}
				_, name, _ := strings.Cut(filepath.Base(image), " ")
				if which, err := w.isComplete(r, dir); which != "new" && slices.Contains([]string{"replaced", "settled", "remove", "done", "the end"}, name) {
					t.Errorf("%s: it is the %q directory, %v, after that was replaced", when, which, err)
				}
				w.goOn(r, dir, when)
				cut.unmount()
				os.Remove(image)
			}
			t.Logf("%d power cuts", len(cuts))
		})
	}
}

// record lets a run go one way, and returns the media as they were at each step, except
// those between files, and at the end.
func (m *medium) record(w *way, everything bool) (cuts []string) {
	m.Helper()
	dir := filepath.Join(m.dir, "place")
	check(m, os.Mkdir(dir, 0o755))
	w.before(m, dir)
	check(m, m.run("sync", "-f", dir))
	r := w.open(m, dir)
	check(m, r.Prepare())
	r.step = func(name string) {
		if name == "file" && !everything {
			return
		}
		image := fmt.Sprintf("%s.%02d %s", m.image, len(cuts), name)
		check(m, m.run("cp", "--sparse=always", m.image, image))
		cuts = append(cuts, image)
	}
	r.receive(recent(m))
	r.Wait(m.Context())
	r.step("the end")
	r.Close()
	return cuts
}
