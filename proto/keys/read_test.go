// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/proto/seal"
)

func TestTrustedKeysAreThoseOfFilesAndDirectories(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.MkdirAll(path("keys/old.d"), 0o700))
	a, b, c := Generate().Public(), Generate().Public(), Generate().Public()
	write(t, path("keys/a.pub"), AppendPublicKey(nil, a))
	write(t, path("keys/b.pub"), AppendPublicKey(nil, b))
	write(t, path("keys/README"), []byte("not a key"))
	write(t, path("keys/old.d/c.pub"), AppendPublicKey(nil, c))
	write(t, path("again"), AppendPublicKey(nil, a))
	write(t, path("c"), AppendPublicKey(nil, c))

	tests := []struct {
		paths []string
		want  []proto.PublicKey
	}{
		{nil, nil},
		{[]string{"c"}, []proto.PublicKey{c}},
		{[]string{"keys"}, []proto.PublicKey{a, b}},
		{[]string{"keys", "again", "c", "keys"}, []proto.PublicKey{a, b, c}},
		{[]string{"again", "keys/a.pub"}, []proto.PublicKey{a}},
	}
	for _, test := range tests {
		var paths []string
		for _, p := range test.paths {
			paths = append(paths, path(p))
		}
		if got, err := ReadFiles(paths...); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, %v, want %v", test.paths, got, err, test.want)
		}
	}
}

func TestWhatCannotBeTrustedIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	check(t, os.MkdirAll(path("bad"), 0o700))
	check(t, os.MkdirAll(path("empty"), 0o700))
	write(t, path("bad/fine.pub"), AppendPublicKey(nil, Generate().Public()))
	write(t, path("bad/none.pub"), []byte("nonsense"))
	write(t, path("long"), bytes.Repeat([]byte("A"), maxFileLen+1))
	secret := Generate().AppendText(nil, nil)
	write(t, path("secret"), secret)
	tests := map[string]struct {
		path string
		text string
	}{
		"missing": {"missing", ""},
		"empty":   {"empty", "no file *.pub in this directory"},
		"bad":     {"bad/none.pub", "not a public key file of minisign: "},
		"long":    {"long", "too long for a key file"},
		"secret":  {"secret", "not a public key file of minisign: "},
	}
	for name, test := range tests {
		got, err := ReadFiles(path(name))
		if err == nil || len(got) > 0 || !strings.HasPrefix(err.Error(), path(test.path)+": "+test.text) {
			t.Errorf("%s: got %v, %v, want an error about %s: %s", name, got, err, test.path, test.text)
		}
		if name == "missing" != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want an error that wraps its cause", name, err)
		}
		if err != nil && strings.Contains(err.Error(), strings.Split(string(secret), "\n")[1][100:120]) {
			t.Errorf("%s: %v prints a secret", name, err)
		}
	}
}

func TestReadSecretKeyNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	key := Generate()
	plain := write(t, filepath.Join(dir, "plain"), key.AppendText(nil, nil))
	if got, err := ReadSecretKey(plain, noPassword(t)); err != nil || got.ID != key.ID {
		t.Errorf("got %v, %v, want %v", got, err, key)
	}
	encrypted := write(t, filepath.Join(dir, "encrypted"), key.appendText(nil, []byte("words"), cheap))
	if _, err := ReadSecretKey(encrypted, password("swords")); err == nil || err.Error() != encrypted+": "+errPassword.Error() {
		t.Errorf("got %v", err)
	}
	if _, err := ReadSecretKey(filepath.Join(dir, "missing"), noPassword(t)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReadGroupKeyNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	key := seal.Key{1, 2, 3}
	if got, err := ReadGroupKey(write(t, filepath.Join(dir, "key"), []byte(key.Text()))); err != nil || got.Hint() != seal.NewGroupKey(key).Hint() {
		t.Errorf("got %v, %v, want the key", got, err)
	}
	bad := write(t, filepath.Join(dir, "bad"), []byte("no key\n"))
	if _, err := ReadGroupKey(bad); err == nil || !strings.HasPrefix(err.Error(), bad+": ") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadGroupKey(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
