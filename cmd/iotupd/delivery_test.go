// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"crypto/sha256"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// objectOf returns what a sender would say about a file.
func objectOf(name, content string) *proto.Manifest {
	return &proto.Manifest{Name: name, Descriptor: proto.Descriptor{
		Params: proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: uint64(len(content))},
		SHA256: sha256.Sum256([]byte(content)),
	}}
}

// A delivery is a target in a directory of its own. Its verbs narrate a test.
type delivery struct {
	*testing.T
	dir string
	*filestore.FileTarget
}

// to makes --output NAME, or --dir if name is empty.
func to(t *testing.T, name string) *delivery {
	t.Helper()
	return (&delivery{T: t, dir: t.TempDir()}).again(name)
}

// again is a new receiver in the same directory.
func (d *delivery) again(name string) *delivery {
	d.Helper()
	next := &delivery{T: d.T, dir: d.dir}
	next.FileTarget = filestore.Dir(d.dir)
	if name != "" {
		next.FileTarget = filestore.File(filepath.Join(d.dir, name))
	}
	check(d.T, next.Prepare())
	d.Cleanup(next.Close)
	return next
}

// openObject begins with an object of 4 bytes and hashes, whose partial file must
// hold so many bytes.
func (d *delivery) openObject(id byte, found int64) receiver.Store {
	d.Helper()
	s, err := d.Open(proto.ObjectID{id}, proto.Params{Size: 4})
	check(d.T, err)
	if s.Found() != found {
		d.Errorf("got a partial file of %d bytes, want %d", s.Found(), found)
	}
	return s
}

// receive writes content for object 1 into a partial file that is new.
func (d *delivery) receive(content string) receiver.Store {
	d.Helper()
	s := d.openObject(1, 0)
	check(d.T, s.Reserve(int64(len(content))))
	_, err := s.WriteAt([]byte(content), 0)
	check(d.T, err)
	return s
}

func (d *delivery) wantFiles(names ...string) {
	d.Helper()
	entries, err := os.ReadDir(d.dir)
	check(d.T, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		d.Errorf("got files %q, want %q", got, names)
	}
}

func (d *delivery) wantContent(name, want string) {
	d.Helper()
	got, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil || string(got) != want {
		d.Errorf("%s: got %q, %v, want %q", name, got, err, want)
	}
}

func (d *delivery) wantError(err error, code int, text string) {
	d.Helper()
	if err == nil || cli.ExitCode(err) != code || !strings.Contains(err.Error(), text) {
		d.Errorf("got error %v with exit code %d, want %q with %d", err, cli.ExitCode(err), text, code)
	}
}
