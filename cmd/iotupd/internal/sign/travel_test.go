// SPDX-License-Identifier: GPL-2.0-or-later

package sign

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/manifestfile"
	"iotupd/sender"
)

func TestASignedManifestTravelsByteForByte(t *testing.T) {
	// "Private keys need not be on the machines that send: a signed manifest is
	// a file." spec.md 5.5
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("fw.bin"), "content")
	key := keys.Generate()
	write(t, path("key"), string(key.AppendText(nil, nil)))
	quiet := cli.OutputOptions{Quiet: true, Progress: "none", Stats: time.Second}
	opts := encode.Options{Parity: "auto", Profile: "standard", ShardSize: proto.DefaultShardSize, Digest: "on"}
	err := runSign(t.Context(), signOptions{
		OutputOptions: quiet, Options: opts,
		secret: path("key"), sequence: "7", channel: "iotupd", created: "now", expires: "720h",
		version: "1.4.2 (é)", targets: []string{"a", "b"}, notes: "two\nlines",
	}, path("fw.bin"), cli.Stdio{Out: io.Discard, Err: io.Discard})
	check(t, err)
	file, err := os.ReadFile(path("fw.bin" + manifestfile.Suffix))
	check(t, err)

	m, err := manifestfile.Read(path("fw.bin" + manifestfile.Suffix))
	check(t, err)
	if got := m.AppendTo(nil); !bytes.Equal(got, file) {
		t.Errorf("got\n%x of the manifest in the file, want\n%x", got, file)
	}
	src, err := os.ReadFile(path("fw.bin"))
	check(t, err)
	o, err := sender.Prepare(context.Background(), bytes.NewReader(src), m.Descriptor.Params, sender.PrepareConfig{})
	check(t, err)
	if o.Manifest.Descriptor != m.Descriptor {
		t.Fatalf("signed %+v, but the file is %+v", m.Descriptor, o.Manifest.Descriptor)
	}
	o.Manifest = *m
	s, err := sender.New(sender.Config{}, o)
	check(t, err)
	payload := s.ManifestPayload()
	if got := payload[16:][:len(file)]; !bytes.Equal(got, file) {
		t.Errorf("got\n%x on the wire, want\n%x", got, file)
	}
	if by := proto.PayloadSigners(payload, []proto.PublicKey{key.Public()}); len(by) != 1 {
		t.Error("the signature did not survive the way")
	}
}
