// SPDX-License-Identifier: GPL-2.0-or-later

package takeover

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"iotupd/internal/durable"
)

// dirs are a directory that anybody may write to, and one of this user alone.
type dirs struct {
	path      string // of from
	from, own *os.Root
}

func newDirs(t *testing.T) dirs {
	t.Helper()
	base := t.TempDir()
	d := dirs{path: filepath.Join(base, "ready")}
	private := filepath.Join(base, "own")
	for _, path := range []string{d.path, private} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if d.from, err = os.OpenRoot(d.path); err != nil {
		t.Fatal(err)
	}
	if d.own, err = os.OpenRoot(private); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.from.Close(); d.own.Close() })
	return d
}

func (d dirs) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.path, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// take takes over the file f, and returns its content.
func (d dirs) take(t *testing.T) (taken *Taken, content string) {
	t.Helper()
	taken, err := Take(d.from, "f", d.own, "f", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.File.Close() })
	return taken, d.content(t, taken)
}

func (d dirs) content(t *testing.T, taken *Taken) string {
	t.Helper()
	open, err := io.ReadAll(io.NewSectionReader(taken.File, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	named, err := d.own.ReadFile("f")
	if err != nil || !bytes.Equal(open, named) {
		t.Fatalf("the file of that name has %d bytes (%v), the open one %d", len(named), err, len(open))
	}
	return string(open)
}

func TestAFileIsMoved(t *testing.T) {
	d := newDirs(t)
	d.write(t, "f", "release 7")
	taken, content := d.take(t)
	info, err := taken.File.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if content != "release 7" || info.Mode() != 0o400 || taken.Copied || !taken.Unchanged() {
		t.Errorf("content %q, mode %v, copied %v", content, info.Mode(), taken.Copied)
	}
	if _, err := d.from.Stat("f"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its old name: %v", err)
	}
}

func TestAFileThatSomebodyElseCanWriteToIsCopied(t *testing.T) {
	for name, hold := range map[string]func(t *testing.T, path string) (write func()){
		"open for writing": func(t *testing.T, path string) func() {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return func() { f.WriteAt([]byte("forged!!!"), 0) }
		},
		"mapped": func(t *testing.T, path string) func() {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			b, err := unix.Mmap(int(f.Fd()), 0, 9, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Munmap(b) })
			return func() { copy(b, "forged!!!") }
		},
		"another link": func(t *testing.T, path string) func() {
			if err := os.Link(path, path+".link"); err != nil {
				t.Skipf("no hard links: %v", err)
			}
			return func() { os.WriteFile(path+".link", []byte("forged!!!"), 0) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDirs(t)
			d.write(t, "f", "release 7")
			write := hold(t, filepath.Join(d.path, "f"))
			taken, content := d.take(t)
			write()
			if after := d.content(t, taken); content != "release 7" || after != content || !taken.Copied || !taken.Unchanged() {
				t.Errorf("content %q, then %q; copied %v", content, after, taken.Copied)
			}
			if _, err := d.from.Stat("f"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its old name: %v", err)
			}
		})
	}
}

func TestAnAttemptToWriteBreaksTheLease(t *testing.T) {
	d := newDirs(t)
	d.write(t, "f", "release 7")
	taken, _ := d.take(t)
	taken.File.Chmod(0o600) // as if this were checked already
	path := filepath.Join(filepath.Dir(d.path), "own", "f")
	if f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
		f.Close()
		t.Fatal("a file that is leased was opened for writing")
	}
	if taken.Unchanged() {
		t.Error("an attempt to open it for writing is not noticed")
	}
}

func TestOnlyRegularFilesAreTaken(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"link":           func(path string) error { return os.Symlink("other", path) },
		"link elsewhere": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"pipe":           func(path string) error { return unix.Mkfifo(path, 0o600) },
		"directory":      func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDirs(t)
			d.write(t, "other", "x")
			if err := make(filepath.Join(d.path, "f")); err != nil {
				t.Fatal(err)
			}
			if _, err := Take(d.from, "f", d.own, "f", 1<<20); !errors.Is(err, durable.ErrNotRegular) {
				t.Errorf("error %v", err)
			}
			if _, err := d.own.Lstat("f"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
}

func TestALimitHolds(t *testing.T) {
	for name, copied := range map[string]bool{"moved": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			d := newDirs(t)
			d.write(t, "f", "release 7")
			if copied {
				if err := os.Link(filepath.Join(d.path, "f"), filepath.Join(d.path, "g")); err != nil {
					t.Skipf("no hard links: %v", err)
				}
			}
			if _, err := Take(d.from, "f", d.own, "f", 8); !errors.Is(err, ErrTooLarge) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNothingIsReplaced(t *testing.T) {
	d := newDirs(t)
	d.write(t, "f", "release 7")
	if err := d.own.WriteFile("f", []byte("release 6"), 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(d.from, "f", d.own, "f", 100); !errors.Is(err, os.ErrExist) {
		t.Errorf("error %v", err)
	}
	if b, _ := d.own.ReadFile("f"); string(b) != "release 6" {
		t.Errorf("the file has become %q", b)
	}
}

var attack = flag.String("attack", "", "be the attacker of TestTheOwnerOfTheDirectory on this directory")

func TestMain(m *testing.M) {
	flag.Parse()
	if *attack != "" {
		attackForever(*attack)
	}
	os.Exit(m.Run())
}

// attackForever does to the file f in a directory what a receiver could do that an
// attacker controls.
func attackForever(dir string) {
	path := filepath.Join(dir, "f")
	made := path + ".made"
	for n := 0; ; n++ {
		os.WriteFile(made, bytes.Repeat([]byte{byte(n)}, 1000+n%50000), 0o666)
		held, _ := os.OpenFile(made, os.O_RDWR, 0)
		var mapped []byte
		switch rand.N(8) {
		case 0:
			os.Link(made, path+".link")
		case 1:
			mapped, _ = unix.Mmap(int(held.Fd()), 0, 1000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		case 2:
			os.Remove(made)
			os.Symlink(filepath.Join(dir, "..", "secret"), made)
		case 3:
			os.Remove(made)
			unix.Mkfifo(made, 0o666)
		case 4:
			os.Remove(made)
			os.Link(filepath.Join(dir, "..", "secret"), made)
		case 5:
			held.Close() // a good one
		}
		os.Rename(made, path)
		for range rand.N(50) { // it is taken meanwhile
			held.WriteAt([]byte{byte(rand.N(256))}, int64(rand.N(1000)))
			if mapped != nil {
				mapped[rand.N(1000)]++
			}
			if again, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0); err == nil {
				again.WriteAt([]byte{byte(rand.N(256))}, int64(rand.N(1000)))
				again.Close()
			}
		}
		if mapped != nil {
			unix.Munmap(mapped)
		}
		held.Close()
		os.RemoveAll(path + ".link")
		if rand.N(10) == 0 {
			os.Mkdir(path, 0o777)
			os.Remove(path)
		}
	}
}

func TestTheOwnerOfTheDirectoryChangesNothingAfterwards(t *testing.T) {
	// "The file that Take returns does not change any more, whatever it is."
	if os.Getuid() != 0 {
		t.Skip("a second user, who attacks, needs root")
	}
	const nobody = 65534
	d := newDirs(t)
	secret := filepath.Join(filepath.Dir(d.path), "secret")
	if err := os.WriteFile(secret, []byte("of root alone"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Dir(d.path): 0o755, filepath.Dir(filepath.Dir(d.path)): 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(d.path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(d.path), "attacker") // where nobody may execute it
	if b, err := os.ReadFile(self); err != nil || os.WriteFile(program, b, 0o755) != nil {
		t.Fatal("the attacker cannot be copied")
	}
	attacker := exec.Command(program, "-attack", d.path)
	attacker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	if err := attacker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { attacker.Process.Kill(); attacker.Wait() }()

	races := 1000
	if testing.Short() {
		races = 100
	}
	moved, copied, refused := 0, 0, 0
	for deadline := time.Now().Add(time.Minute); moved+copied+refused < races && time.Now().Before(deadline); {
		taken, err := Take(d.from, "f", d.own, "f", 1<<20)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			refused++
			d.from.RemoveAll("f") // and the next one
			continue
		}
		first := d.content(t, taken)
		for range 3 {
			time.Sleep(100 * time.Microsecond)
			if d.content(t, taken) != first && taken.Unchanged() {
				t.Fatalf("it changed after it was taken over; copied: %v", taken.Copied)
			}
		}
		info, err := d.own.Stat("f")
		if err != nil || info.Mode() != 0o400 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Fatalf("%v %v", info, err)
		}
		if taken.Copied {
			copied++
		} else {
			moved++
		}
		taken.File.Close()
		if err := d.own.Remove("f"); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d races: %d moved, %d copied, %d refused", moved+copied+refused, moved, copied, refused)
	if moved == 0 || copied == 0 || refused == 0 {
		t.Error("one of the ways was never taken; the test shows little")
	}
	if info, err := os.Stat(secret); err != nil || info.Mode() != 0o600 {
		t.Errorf("a file of root that the attacker linked to: %v %v", info, err)
	}
}
