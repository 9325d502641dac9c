// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of so many MiB, and returns its root.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := newDir(t)
	if err := unix.Mount(ownName("disk"), dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

func TestAFullDiskIsAnErrorAndTheOldFileStays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	target := filepath.Join(smallDisk(t, 4), "target.bin")
	if err := os.WriteFile(target, []byte("the old version"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := receiver.recv(target)
	sender.send(newFile(t, 16*mib), "--rate", "50M")
	r.wantExit(11, "no space left on device: it needs 17.1 MiB (16.0 MiB of file, ")
	t.Log(r.messages())
	if parts, _ := filepath.Glob(filepath.Join(filepath.Dir(target), ".*.iotupd-part")); len(parts) > 0 {
		t.Errorf("the full disk still holds %q", parts)
	}
	wantOld(t, target)
}

// The space was there at the start, and another program took it.
func TestADiskThatFillsUpIsAnErrorAndTheOldFileStays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)
	disk := smallDisk(t, 24)
	target := filepath.Join(disk, "target.bin")
	if err := os.WriteFile(target, []byte("the old version"), 0o600); err != nil {
		t.Fatal(err)
	}
	source := newFile(t, 16*mib)
	receiver.closeAfter(8 * mib)
	r := receiver.recv(target)
	sender.send(source, "--rate", "50M")
	r.waitUntilHeld(0.1)
	hog := filepath.Join(disk, "hog")
	os.WriteFile(hog, make([]byte, 24*mib), 0o600) // as much as there is room for
	receiver.open()
	code := r.exit()
	t.Logf("exit code %d %s", code, r.messages())
	os.Remove(hog)
	switch code { // the receiver had reserved its space, or had not
	case 0:
		wantSame(t, target, source)
	case 11:
		wantOld(t, target)
	default:
		t.Errorf("exit code %d, want 0 or 11", code)
	}
}

// A sender whose file changes stops and says so. Its receivers wait, and never put
// a mixture into place: another sender of the file as it was completes it.
func TestAChangingSourceStopsTheSenderAndCorruptsNoFile(t *testing.T) {
	tests := []struct {
		name   string
		change func(path string) error
		says   string
	}{
		{"overwritten in the middle", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(make([]byte, 3*mib), 4*mib)
			return err
		}, "changed"},
		{"cut", func(path string) error { return os.Truncate(path, 5*mib) }, "changed"},
		{"appended to", func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.Write([]byte("more"))
			return err
		}, "changed"},
		{"replaced", func(path string) error {
			if err := os.WriteFile(path+".new", make([]byte, 8*mib), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, "replaced"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			sender, other, receiver := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
			source, target := newFile(t, 8*mib), oldFile(t)
			unchanged := copyOf(t, source)
			r := receiver.recv(target)
			s := sender.send(source, "--rate", "1M") // a minute for the file
			r.waitUntilHeld(0.02)
			if err := test.change(source); err != nil {
				t.Fatal(err)
			}
			s.wantExit(11, test.says)
			t.Log(s.messages())
			wantOld(t, target)
			other.send(unchanged, "--rate", "50M")
			r.done()
			wantSame(t, target, unchanged)
		})
	}
}
