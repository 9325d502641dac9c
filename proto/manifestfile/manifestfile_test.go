// SPDX-License-Identifier: GPL-2.0-or-later

package manifestfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
