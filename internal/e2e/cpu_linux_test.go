// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"iotupd/fec"
	"iotupd/proto"
)

// A cpu is a kind of processor that the program is built for, and emulated.
type cpu struct {
	name      string
	arch      string
	variant   string // of arch: a variable of the environment of go build
	emulator  string
	bigEndian bool
}

// cpus are those of small devices. The big-endian one has the same instructions as
// the little-endian one of its kind.
var cpus = []cpu{
	{name: "armv5", arch: "arm", variant: "GOARM=5", emulator: "qemu-arm-static"},
	{name: "armv7", arch: "arm", variant: "GOARM=7", emulator: "qemu-arm-static"},
	{name: "arm64", arch: "arm64", emulator: "qemu-aarch64-static"},
	{name: "mipsle-softfloat", arch: "mipsle", variant: "GOMIPS=softfloat", emulator: "qemu-mipsel-static"},
	{name: "riscv64", arch: "riscv64", emulator: "qemu-riscv64-static"},
	{name: "mips-softfloat", arch: "mips", variant: "GOMIPS=softfloat", emulator: "qemu-mips-static", bigEndian: true},
}

// building is held while a program is built: each build takes all processors.
var building sync.Mutex

// build builds the program and returns what runs it.
func (c cpu) build(t *testing.T) (command []string) {
	t.Helper()
	needsDaemon(t, c.emulator, "qemu-user-static")
	building.Lock()
	defer building.Unlock()
	program := filepath.Join(newDir(t), "iotupd-"+c.name)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "iotupd/cmd/iotupd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+c.arch, c.variant)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build for %s: %v\n%s", c.name, err, out)
	}
	return []string{c.emulator, program}
}

// host adds an emulated machine to a network.
//
// Emulators hand the number of the interface that a datagram came over to
// big-endian programs in the byte order of this machine, so it is one that reads the
// same in both directions.
func (c cpu) host(t *testing.T, l *lab) *host {
	t.Helper()
	runs := c.build(t)
	if c.bigEndian {
		l.index = fmt.Sprintf("index %d", 0x01000001)
		defer func() { l.index = "" }()
	}
	h := l.host(bothFamilies)
	h.runs = runs
	return h
}

// The program does on every processor what it does here: receive with loss what a
// trusted key has signed, over both families, go on after a SIGKILL, choose a source,
// and send.
func TestEveryProcessorReceivesAndSends(t *testing.T) {
	needsNetwork(t)
	table := &cpuTable{}
	t.Cleanup(func() { t.Logf("%s", table.lines.String()) })
	for _, c := range cpus {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			p := cpuPair{emulated: c.host(t, l), native: l.host(bothFamilies), key: newKeyPair(t)}
			table.measure(c, "receive, killed", func() string { return p.receiveKilled(t) })
			table.measure(c, "receive, source", func() string {
				from := p.native.ipv4()
				return p.transfer(t, p.native, p.emulated, []string{"-4", "--source-specific"}, []string{"--source", from}, from)
			})
			table.measure(c, "send IPv6", func() string {
				return p.transfer(t, p.emulated, p.native, []string{"-6"}, nil, p.emulated.ipv6())
			})
			table.measure(c, "send IPv4", func() string {
				return p.transfer(t, p.emulated, p.native, []string{"-4"}, nil, p.emulated.ipv4())
			})
		})
	}
}

const (
	cpuFile = 400_000 // bytes, which take a code over GF(2^16)
	cpuLoss = 10      // percent
	cpuRate = "10M"
)

// A cpuTable is what TestEveryProcessorReceivesAndSends prints.
type cpuTable struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (t *cpuTable) measure(c cpu, what string, do func() string) {
	start := time.Now()
	result := do()
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.lines, "\n%-17s %-16s %d bytes, loss %d %%, %4.1f s: %s", c.name, what, cpuFile, cpuLoss, time.Since(start).Seconds(), result)
}

// A cpuPair are an emulated machine and one that is not, and the key of the sender.
type cpuPair struct {
	emulated, native *host
	key              keyPair
}

// transfer sends a new file, which has to come from that address.
func (p cpuPair) transfer(t *testing.T, sender, receiver *host, send, recv []string, from string) (result string) {
	t.Helper()
	source, target := newFile(t, cpuFile), newTarget(t)
	receiver.lose(cpuLoss)
	r := receiver.recv(target, append(p.key.trust(newDir(t)), recv...)...)
	s := sender.send(source, append([]string{p.key.sign(t, source, 1), "--rate", cpuRate}, send...)...)
	found := r.wait("found")
	e := r.done()
	s.stop()
	wantSame(t, target, source)
	wantVerified(t, found, e, from)
	return resultOf(t, source, target, found, e)
}

func resultOf(t *testing.T, source, target string, found, done event) string {
	t.Helper()
	return fmt.Sprintf("right: %v; %s, verified: %v, %d of %d shards rebuilt",
		sumOf(t, source) == sumOf(t, target), found.FECCode, done.Verified, done.Rebuilt, done.Needed)
}

// receiveKilled kills the emulated receiver in the middle of a file that comes
// over IPv6. The next one continues over IPv4.
func (p cpuPair) receiveKilled(t *testing.T) (result string) {
	t.Helper()
	source, target := newFile(t, cpuFile), newTarget(t)
	trust, manifest, a := p.key.trust(newDir(t)), p.key.sign(t, source, 1), dissect(t, source, fec.Standard)
	p.emulated.lose(cpuLoss)
	p.emulated.only(proto.TypeManifest) // which may be rare, and lost, behind a valve that closes
	r := p.emulated.recv(target, trust...)
	s := p.native.send(source, manifest, "-6", "--rate", cpuRate)
	first := r.wait("found")
	p.emulated.closeAfter(cpuFile * 3 / 4)
	at := r.waitUntilHeld(0.3)
	eventually(t, "the partial file proves shards", func() bool { return a.examine(t, partOf(target)).proven > 0 })
	r.kill()
	s.stop()
	proven := a.examine(t, partOf(target)).proven
	p.emulated.open()
	s = p.native.send(source, manifest, "-4", "--rate", cpuRate)
	next := p.emulated.recv(target, trust...)
	found := next.wait("found")
	e := next.done()
	s.stop()
	wantSame(t, target, source)
	wantVerified(t, found, e, p.native.ipv4())
	if first.From != p.native.ipv6() || int(e.Resumed) < proven {
		t.Errorf("first packet from %s, %d shards resumed; want %s, and at least %d", first.From, e.Resumed, p.native.ipv6(), proven)
	}
	return fmt.Sprintf("%s; %d held before SIGKILL, %d proven on disk, %d resumed", resultOf(t, source, target, found, e), at.Held, proven, e.Resumed)
}

// wantVerified checks where a file came from.
func wantVerified(t *testing.T, found, done event, from string) {
	t.Helper()
	if found.From != from || found.Interface != "eth0" || found.FECCode != "gf16" || !done.Verified || done.SignedBy == "" {
		t.Errorf("got %+v, then %+v; want it from %s over eth0, by code gf16, and signed", found, done, from)
	}
}
