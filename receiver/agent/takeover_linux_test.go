// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"iotupd/fec"
	"iotupd/proto"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed/state"
	"iotupd/sender"
)

// An attacker is a receiver that does what it likes to the directory of files that it
// hands over. It is this test again, as another user.
const attackerVariable = "IOTUPD_TEST_ATTACKER"

const attackerUser = 54321

func init() {
	if dir := os.Getenv(attackerVariable); dir != "" {
		attack(dir)
		os.Exit(0)
	}
}

// attack offers files until the directory has a file called stop: right ones, and in
// their place others, links, pipes, and files that it writes to or keeps mapped.
func attack(dir string) {
	seed, _ := strconv.ParseUint(os.Getenv(attackerVariable+"_SEED"), 10, 64)
	rng := rand.New(rand.NewPCG(seed, 1))
	good, _ := os.ReadFile(filepath.Join(dir, "..", "good"))
	manifest, _ := os.ReadFile(filepath.Join(dir, "..", "manifest"))
	m, err := proto.ParseManifest(manifest)
	if err != nil {
		panic(err)
	}
	evil := bytes.Repeat([]byte{'E'}, len(good))
	base := filepath.Join(dir, m.Descriptor.Object().String())
	file, offer := base+filestore.ObjectSuffix, base+readySuffix
	put := func(path string, b []byte) { os.WriteFile(path+".new", b, 0o644); os.Rename(path+".new", path) }
	var running sync.WaitGroup
	for {
		if _, err := os.Stat(filepath.Join(dir, "..", "stop")); err == nil {
			break
		}
		put(file, good)
		put(offer, manifest)
		pause := time.Duration(rng.IntN(3000)) * time.Microsecond
		running.Go(func() { attackOnce(rng.IntN(8), file, evil, pause) })
		running.Wait()
	}
}

func attackOnce(how int, file string, evil []byte, pause time.Duration) {
	switch how {
	case 0: // nothing
	case 1: // swap
		os.WriteFile(file+".evil", evil, 0o644)
		time.Sleep(pause)
		os.Rename(file+".evil", file)
	case 2: // write by a descriptor that was opened before
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err == nil {
			time.Sleep(pause)
			f.WriteAt(evil, 0)
			f.Close()
		}
	case 3: // write through a shared mapping
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			return
		}
		mapped, err := unix.Mmap(int(f.Fd()), 0, len(evil), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		f.Close()
		if err == nil {
			time.Sleep(pause)
			copy(mapped, evil)
			unix.Munmap(mapped)
		}
	case 4: // write by another name
		os.Link(file, file+".link")
		time.Sleep(pause)
		os.WriteFile(file+".link", evil, 0o644)
		os.Remove(file + ".link")
	case 5: // have a link in its place
		time.Sleep(pause)
		os.Remove(file)
		os.Symlink("/etc/passwd", file)
	case 6: // a pipe
		time.Sleep(pause)
		os.Remove(file)
		unix.Mkfifo(file, 0o666)
	case 7: // rewrite it again and again
		for range 20 {
			os.WriteFile(file, evil, 0o644)
			time.Sleep(pause / 20)
		}
	}
}

// races is how often the installer runs; with IOTUPD_E2E_FULL=1 a thousand times.
func races() int {
	if os.Getenv("IOTUPD_E2E_FULL") != "" {
		return 1000
	}
	return 40
}

// "A receiver that was taken over can withhold, not install."
func TestAnAttackerAtTheReceiverHasNothingInstalledButTheRelease(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run the receiver as another user")
	}
	top := t.TempDir()
	for dir := top; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o005 != 0o005 {
			check(t, os.Chmod(dir, info.Mode().Perm()|0o005))
		}
	}
	d := newDevice(t)
	r := d.release(7)
	ready, own := filepath.Join(top, "ready"), filepath.Join(top, "own")
	check(t, errors.Join(os.Mkdir(ready, 0o755), os.Mkdir(own, 0o700), os.Chown(ready, attackerUser, attackerUser)))
	write := func(name string, b []byte) { check(t, os.WriteFile(filepath.Join(top, name), b, 0o644)) }
	write("good", r.content)
	write("manifest", r.manifest(t).AppendTo(nil))

	self, err := os.Executable()
	check(t, err)
	program := filepath.Join(top, "attacker")
	b, err := os.ReadFile(self)
	check(t, err)
	check(t, os.WriteFile(program, b, 0o755))
	attacker := exec.Command(program)
	attacker.Dir = "/"
	attacker.Env = append(os.Environ(), attackerVariable+"="+ready, attackerVariable+"_SEED=1", "TMPDIR="+top)
	attacker.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: attackerUser, Gid: attackerUser}}
	attacker.Stderr = os.Stderr
	check(t, attacker.Start())
	defer attacker.Wait()
	defer write("stop", nil)

	seen, refused, nothing := 0, 0, 0
	for range races() {
		check(t, os.RemoveAll(stateOf(t))) // or the release would be installed once
		s := newStation(t, Config{
			Target: filestore.Objects(own), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(t),
		})
		called := false
		err := s.InstallFrom(t.Context(), ready, func(_ context.Context, file *Received) error {
			called = true
			if content, err := os.ReadFile(file.Path); err != nil || !bytes.Equal(content, r.content) {
				t.Errorf("the installer sees %d bytes that nobody has signed, %v", len(content), err)
			}
			if got := accessOf(t, file.Path); got != (access{0, 0, 0o400}) {
				t.Errorf("the installer gets a file with %+v", got)
			}
			return nil
		})
		check(t, err)
		s.Agent.Close()
		switch {
		case called:
			seen++
		case saw[TakeOverFailed](s) > 0:
			refused++
		default:
			nothing++
		}
	}
	t.Logf("of %d races the installer was called in %d, always with the release; %d were refused, in %d nothing was there", races(), seen, refused, nothing)
	if seen == 0 || refused == 0 {
		t.Error("the attacker did nothing, or everything")
	}
}

// manifest returns the signed manifest of r.
func (r release) manifest(t *testing.T) *proto.Manifest {
	t.Helper()
	params, err := fec.Policy{}.Params(uint64(len(r.content)))
	check(t, err)
	o, err := sender.Prepare(t.Context(), bytes.NewReader(r.content), params, sender.PrepareConfig{})
	check(t, err)
	o.Manifest.Name, o.Manifest.Channel, o.Manifest.Sequence = r.name, "test", r.sequence
	o.Manifest.Component = r.component
	o.Manifest.Signatures = []proto.Signature{r.key.Sign(&o.Manifest)}
	return &o.Manifest
}

// offers puts a release into a directory as a receiver does.
func (r release) offers(t *testing.T, dir string) (name string) {
	t.Helper()
	m := r.manifest(t)
	check(t, os.WriteFile(filepath.Join(dir, filestore.ObjectName(m)), r.content, 0o644))
	check(t, os.WriteFile(filepath.Join(dir, manifestName(m)), m.AppendTo(nil), 0o644))
	return filestore.ObjectName(m)
}

func (d *device) installer(own string) *station {
	return newStation(d.T, Config{
		Target: filestore.Objects(own), KeepPending: true, Trust: []proto.PublicKey{d.key.Public()}, State: stateOf(d.T),
		Install: InstallConfig{Pause: time.Millisecond},
	})
}

func TestAnInstallerMakesAllAttempts(t *testing.T) {
	d := newDevice(t)
	ready, own := t.TempDir(), t.TempDir()
	d.release(7).offers(t, ready)
	results := []error{errSlot, ErrLater, errSlot, nil}
	check(t, d.installer(own).InstallFrom(t.Context(), ready, func(context.Context, *Received) error {
		result := results[d.calls]
		d.calls++
		return result
	}))
	d.wantCalls(4)
	wantFiles(t, ready)
	wantFiles(t, own)
	if r := d.wantState(state.Installed); r.Attempts != 3 {
		t.Errorf("got %+v", r)
	}
}

// An installer that is killed in the middle of taking a file over goes on with it: with a
// manifest that was moved, and with a file that was moved as well. Somebody may still have
// the file open for writing then, so that it is copied.
func TestATakeOverThatWasCutOffGoesOn(t *testing.T) {
	for name, moved := range map[string][]string{"manifest": {readySuffix}, "manifest and file": {readySuffix, filestore.ObjectSuffix}} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			ready, own := t.TempDir(), t.TempDir()
			object, _ := strings.CutSuffix(d.release(7).offers(t, ready), filestore.ObjectSuffix)
			f, err := os.OpenFile(filepath.Join(ready, object+filestore.ObjectSuffix), os.O_WRONLY, 0)
			check(t, err)
			defer f.Close()
			for _, suffix := range moved {
				check(t, os.Rename(filepath.Join(ready, object+suffix), filepath.Join(own, object+suffix)))
			}
			check(t, d.installer(own).InstallFrom(t.Context(), ready, func(_ context.Context, file *Received) error {
				d.calls++
				f.WriteAt([]byte("evil"), 0)
				if b, err := os.ReadFile(file.Path); err != nil || !bytes.Equal(b, d.release(7).content) {
					t.Errorf("got another file, %v", err)
				}
				return nil
			}))
			d.wantCalls(1)
			d.wantState(state.Installed)
			wantFiles(t, own)
		})
	}
}
