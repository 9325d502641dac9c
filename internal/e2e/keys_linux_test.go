// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"iotupd/proto"
)

// tool runs a program that needs no network.
func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
}

// toolOutput runs a program that needs no network, and returns what it prints.
func toolOutput(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	return string(out), err
}

// A keyPair are the files of a key to sign with.
type keyPair struct{ secret, public string }

func newKeyPair(t *testing.T) keyPair {
	t.Helper()
	dir := newDir(t)
	k := keyPair{filepath.Join(dir, "release.key"), filepath.Join(dir, "release.pub")}
	tool(t, binary, "keygen", "-s", k.secret, "-p", k.public)
	return k
}

// sign returns the manifest of a release, as a flag of send.
func (k keyPair) sign(t *testing.T, file string, sequence int) (flag string) {
	t.Helper()
	manifest := filepath.Join(newDir(t), "manifest")
	tool(t, binary, "sign", file, "-s", k.secret, "--sequence", fmt.Sprint(sequence), "-o", manifest)
	return "--manifest=" + manifest
}

// trust returns the flags of a receiver that believes a key and remembers what it
// installs in a directory.
func (k keyPair) trust(state string) []string {
	return []string{"--trust", k.public, "--state", state}
}

// needsMinisign skips a test without minisign, or fails it if it has to run.
func needsMinisign(t *testing.T) {
	t.Helper()
	needsDaemon(t, "minisign", "minisign")
}

// Keys of minisign sign, and receivers that trust them take what they have
// signed, nothing that another key has, and nothing older than they have.
func TestReleasesSignedWithKeysOfMinisign(t *testing.T) {
	t.Parallel()
	needsMinisign(t)
	dir := newDir(t)
	release := keyPair{filepath.Join(dir, "minisign.key"), filepath.Join(dir, "minisign.pub")}
	tool(t, "minisign", "-G", "-W", "-s", release.secret, "-p", release.public)
	stranger := newKeyPair(t)
	first, second := newFile(t, mib/2), newFile(t, mib/2)
	state, target := newDir(t), newTarget(t)
	l := newLab(t)
	sender, receiver := l.host(bothFamilies), l.host(bothFamilies)

	s := sender.send(second, release.sign(t, second, 2), "--rate", "20M")
	s.wait("sending")
	e := receiver.recv(target, release.trust(state)...).done()
	t.Logf("signed by %v, sequence %d, verified %v, in %.2f s", e.SignedBy, e.Sequence, e.Verified, e.Seconds)
	wantSame(t, target, second)
	if !e.Verified || e.SignedBy == "" || e.Sequence != 2 {
		t.Errorf("got %+v, want it verified, with signer and sequence 2", e)
	}
	receiver.wantRefused(7, "not signed by a key of --trust", stranger.trust(newDir(t))...)
	s.kill()

	for _, replay := range []string{release.sign(t, first, 1), release.sign(t, first, 2)} { // older; another file with the same number
		s := sender.send(first, replay, "--rate", "20M")
		s.wait("sending")
		receiver.wantRefused(8, "older than what was installed last", release.trust(state)...)
		s.kill()
	}
	s = sender.send(first, "--rate", "20M") // not signed at all
	s.wait("sending")
	receiver.wantRefused(7, "not signed by a key of --trust", release.trust(state)...)
	s.kill()
}

// A place is what a packet is of an object.
type place struct {
	typ   proto.Type
	group uint32
	index int
}

// A capture are the datagrams of senders, by the port that they came from, with
// the path word blanked.
type capture map[netip.AddrPort]map[place][]byte

// capturing records the packets that arrive at a host until stop.
func capturing(h *host, conn *net.UDPConn) (stop func() capture) {
	t := h.t
	t.Helper()
	enlarge(t, conn)
	c := make(capture)
	var packets atomic.Uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			packets.Add(1)
			h, _, err := proto.Parse(b[:n])
			if err != nil {
				t.Errorf("a packet from %v: %v", from, err)
				continue
			}
			if c[from] == nil {
				c[from] = make(map[place][]byte)
			}
			datagram := bytes.Clone(b[:n])
			clear(datagram[proto.HeaderLen-8 : proto.HeaderLen])
			at := place{h.Type, h.Group, h.Index}
			if before, ok := c[from][at]; ok && !bytes.Equal(before, datagram) {
				t.Errorf("%v sends two different packets %+v", from, at)
			}
			c[from][at] = datagram
		}
	}()
	return func() capture {
		eventually(t, "all that has arrived is recorded", func() bool { return packets.Load() == h.count().seen.Packets })
		conn.Close()
		<-ended
		return c
	}
}

// enlarge gives a socket room for all that arrives in a test.
func enlarge(t *testing.T, conn *net.UDPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32*mib); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// "Senders that do not know of each other ... MUST send DATA, PARITY and DIGEST
// packets that are equal except for the path word." spec.md 4.1: sealed ones too,
// from two senders, and from one before and after a restart. A receiver without
// the key, or with another one, receives nothing.
func TestSealedPacketsAreTheSameFromAllSenders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first, second, receiver, listener := l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies), l.host(bothFamilies)
	source, target := newFile(t, mib/2), newTarget(t)
	dir := newDir(t)
	key, other := filepath.Join(dir, "group.key"), filepath.Join(dir, "other.key")
	tool(t, binary, "keygen", "--group", key)
	tool(t, binary, "keygen", "--group", other)

	stop := capturing(listener, listener.listen(proto.ChannelAddresses("iotupd").IPv6))
	r := receiver.recv(target, "-k", key)
	keyless, foreign := oldFile(t), oldFile(t)
	without := map[string]*process{keyless: receiver.recv(keyless), foreign: receiver.recv(foreign, "-k", other)}
	flags := []string{"-k", key, "--rate", "20M", "--loops", "1", "--sender"}
	senders := []*process{first.send(source, append(flags, "1/2")...), second.send(source, append(flags, "2/2")...)}
	e := r.done()
	t.Logf("%d bytes in %.2f s, ignored %v", e.Bytes, e.Seconds, e.Ignored)
	wantSame(t, target, source)
	for _, s := range senders {
		s.wantExit(0, "")
	}
	for no, r := range without {
		r.waitFor("a warning that it is sealed", func(e event) bool { return e.Type == "warn" && e.Code == "sealed" })
		if code := r.stop(); code != 130 {
			t.Errorf("without the key: exit code %d, want that it waits on until it is stopped, 130", code)
		}
		wantOld(t, no)
	}
	first.send(source, append(flags, "1/2")...).wantExit(0, "")

	plain, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	got := stop()
	if len(got) != 3 {
		t.Fatalf("packets of %d senders, want 3", len(got))
	}
	got.wantSame(t, plain)
}

// wantSame wants every packet of an object, and each the same from all senders,
// and nothing of the file in the clear.
func (c capture) wantSame(t *testing.T, plain []byte) {
	t.Helper()
	same := make(map[place]int)
	for from, packets := range c {
		types := make(traffic)
		for at, datagram := range packets {
			types[at.typ]++
			for _, others := range c {
				if d, ok := others[at]; ok && bytes.Equal(d, datagram) {
					same[at]++
				}
			}
			h, payload, _ := proto.Parse(datagram)
			if !h.Sealed || h.Type == proto.TypeData && bytes.Contains(plain, payload[:64]) {
				t.Errorf("packet %+v is not encrypted", at)
			}
		}
		t.Logf("from %v: different packets: %v", from, types)
	}
	for at, n := range same {
		if n != len(c)*len(c) {
			t.Errorf("packet %+v is not the same from all senders", at)
		}
	}
	t.Logf("%d packets, each the same from two senders, and from one of them after a restart", len(same))
	_, tree := shapeOf(t, uint64(len(plain)))
	if most := planned(t, uint64(len(plain))); uint64(len(same)) != most.shards()+most[proto.TypeDigest]+uint64(outlinesOf(tree))+1 {
		t.Errorf("%d different packets, want %v, of these %d different outlines and one manifest", len(same), most, outlinesOf(tree))
	}
}
