// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/proto"
)

func TestACommandLearnsAboutTheFile(t *testing.T) {
	t.Setenv("IOTUPD_RATE", "5M")
	m := &proto.Manifest{Name: "fw.bin", Version: "1.0\n\x1b[2J\x00é", Component: "boot\n", Sequence: 42, Metadata: []byte("{}")}
	m.Descriptor.Size, m.Descriptor.SHA256 = 7, [32]byte{0x45, 0x67}
	file := &Received{
		Manifest: m, Signers: []proto.PublicKey{{ID: proto.KeyID{0x89, 0xab}}}, Verified: true,
		agent: &Agent{cfg: Config{Channel: "chan\rnel"}},
	}
	env := file.environment("/fw/fw.bin")
	want := []string{
		"IOTUPD_FILE=/fw/fw.bin", "IOTUPD_FILE_NAME=fw.bin", "IOTUPD_FILE_SIZE=7", "IOTUPD_FILE_SHA256=4567" + strings.Repeat("0", 60),
		"IOTUPD_FILE_VERSION=1.0[2Jé", "IOTUPD_FILE_COMPONENT=boot", "IOTUPD_FILE_SEQUENCE=42", "IOTUPD_FILE_CHANNEL=channel",
		"IOTUPD_FILE_OBJECT=" + m.Descriptor.Object().String(), "IOTUPD_FILE_SIGNED_BY=" + file.Signers[0].ID.String(),
		"IOTUPD_FILE_VERIFIED=true", "IOTUPD_FILE_METADATA=e30=",
	}
	var got []string
	for _, v := range env {
		if strings.HasPrefix(v, "IOTUPD_") {
			got = append(got, v)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PATH=") }) {
		t.Error("the rest of the environment is gone")
	}

	file.Signers, file.Verified = nil, false
	env = file.environment("")
	if !slices.Contains(env, "IOTUPD_FILE_SEQUENCE=") || !slices.Contains(env, "IOTUPD_FILE_VERIFIED=false") {
		t.Errorf("got %q, want that an unsigned file has no sequence", env)
	}
}

func TestACommandThatCannotRunIsRefusedAtOnce(t *testing.T) {
	for _, command := range []string{"", " ", `"`, "no-such-program {}"} {
		if _, err := Command(command, time.Minute); err == nil {
			t.Errorf("%q is accepted", command)
		}
	}
}
