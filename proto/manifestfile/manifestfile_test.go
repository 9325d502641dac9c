// SPDX-License-Identifier: GPL-2.0-or-later

package manifestfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
)

func TestAManifestIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw.bin"+Suffix)
	m := &proto.Manifest{Name: "fw.bin", Sequence: 7}
	m.Descriptor.Params = proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 7}
	if err := Write(path, m); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || string(got.AppendTo(nil)) != string(m.AppendTo(nil)) {
		t.Errorf("got %+v, %v; want %+v", got, err, m)
	}
}

func TestOtherFilesAreRefusedByType(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if _, err := Read(path); !errors.As(err, new(*FileError)) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, want a FileError", err)
	}
	key := keys.Generate()
	for kind, content := range map[string]string{
		"secret key": string(key.AppendText(nil, nil)),
		"public key": string(keys.AppendPublicKey(nil, key.Public())),
		"":           "something else",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		var wrong *ContentError
		if !errors.As(err, &wrong) || wrong.Kind != kind || wrong.Near != "" {
			t.Errorf("%q: got %v, want a ContentError of that kind", kind, err)
		}
	}
	if err := os.WriteFile(path+Suffix, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *ContentError
	if _, err := Read(path); !errors.As(err, &wrong) || wrong.Near != path+Suffix {
		t.Errorf("got %v, want the manifest that lies beside the file", err)
	}
}

func TestEveryMutationOfAManifestIsOneReadableLine(t *testing.T) {
	m := &proto.Manifest{Name: "fw.bin", Channel: "c", Version: "1", Targets: []string{"x"}, Sequence: 7}
	m.Descriptor.Params = proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 7}
	m.Signatures = make([]proto.Signature, 1)
	good := m.AppendTo(nil)
	var all [][]byte
	for i := range good {
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff, good[i] ^ 1, good[i] + 1, '/'} {
			bad := bytes.Clone(good)
			bad[i] = b
			all = append(all, bad)
		}
		all = append(all, good[:i], slices.Insert(bytes.Clone(good), i, 0))
	}
	path := filepath.Join(t.TempDir(), "x")
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + ` is not a manifest that iotupd sign wrote(: [a-z][ -~]*)?$`)
	seen := make(map[string]bool)
	for _, bad := range all {
		_, err := parse(path, bad)
		if err == nil {
			continue
		}
		if text := err.Error(); !form.MatchString(text) || strings.Contains(text, "proto:") {
			t.Fatalf("got %q", text)
		}
		seen[err.Error()] = true
	}
	if len(seen) < 5 {
		t.Errorf("got %v, want errors of many kinds", seen)
	}
}
