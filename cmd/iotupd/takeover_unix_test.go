// SPDX-License-Identifier: GPL-2.0-or-later

//go:build unix

package main

import (
	"io"
	"path/filepath"
	"testing"
)

// A newer release that is signed takes the place of the one that is received,
// and what was received of that is not asked for again.
func TestANewerReleaseTakesOver(t *testing.T) {
	t.Parallel()
	const port = "20912"
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	do := func(args ...string) {
		t.Helper()
		if code := run(args, stdio{io.Discard, io.Discard}); code != exitOK {
			t.Fatalf("%q: got exit code %d", args, code)
		}
	}
	content := randomBytes(600_000)
	write(t, in("one.bin"), string(content))
	content[500_000]++
	write(t, in("two.bin"), string(content))
	do("keygen", "-q", "-s", in("key"), "-p", in("pub"))
	send := func(name, sequence, rate string) {
		t.Helper()
		do("sign", "-q", in(name), "-s", in("key"), "--sequence", sequence, "--name", "fw.bin")
		start(t, port, "send", in(name), "--manifest", in(name+".iotupd"), "-r", rate).wantLine("Ctrl-C stops")
	}

	send("one.bin", "1", "1M")
	r := start(t, port, "recv", "-d", ".", "--trust", in("pub"), "--state", in("state"))
	r.wantLine("signed by")
	send("two.bin", "2", "5M")
	r.wantLine("given up: a newer release is on the air")
	r.wantLine("ok  fw.bin")
	d := &delivery{T: t, dir: r.dir}
	d.wantContent("fw.bin", string(content))
	d.wantFiles("fw.bin")
}
