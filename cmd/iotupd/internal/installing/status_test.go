// SPDX-License-Identifier: GPL-2.0-or-later

package installing

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/receiver/installed"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// status returns what the command prints.
func status(t *testing.T, o statusOptions) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := o.run(t.Context(), cli.Stdio{Out: &out, Err: &out})
	return out.String(), err
}

// recordIn has a file that is not signed recorded as received at a path.
func recordIn(t *testing.T, dir, path string) {
	t.Helper()
	j, err := installed.OpenJournal(dir, "fw", nil)
	check(t, err)
	defer j.Close()
	m := &proto.Manifest{Name: "fw.bin", Channel: "fw"}
	m.Descriptor.Params = proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: 7}
	_, _, err = j.Arrive(m, path, "", false)
	check(t, err)
}

// It is beside no release that is recorded.
func TestStatusShowsThePartialFileOfAFirstTransfer(t *testing.T) {
	o := statusOptions{placeOptions: placeOptions{state: t.TempDir()}, dir: t.TempDir()}
	part := filepath.Join(o.dir, ".fw.bin.iotupd-part")
	check(t, os.WriteFile(part, make([]byte, 3000), 0o600))
	if got, err := status(t, o); err != nil || !strings.Contains(got, "nothing is recorded in ") || !strings.Contains(got, "\n  partial    "+part+"  2.9 KiB\n") {
		t.Errorf("got %q, %v", got, err)
	}
	o.json = true
	if got, err := status(t, o); err != nil || !strings.Contains(got, `"type":"unfinished","partial_path":"`+part+`","partial_bytes":3000}`) {
		t.Errorf("got %q, %v", got, err)
	}
	recordIn(t, o.state, filepath.Join(o.dir, "fw.bin")) // which shows the file, and once is enough
	o.json = false
	if got, err := status(t, o); err != nil || strings.Count(got, part) != 1 {
		t.Errorf("got %q, %v", got, err)
	}
	o.dir = filepath.Join(o.dir, "no such directory")
	if _, err := status(t, o); !errors.Is(err, fs.ErrNotExist) || cli.ExitCode(err) != cli.ExitLocalIO {
		t.Errorf("got %v", err)
	}
}

func TestStatusEndsEveryLine(t *testing.T) {
	o := statusOptions{placeOptions: placeOptions{state: t.TempDir()}}
	recordIn(t, o.state, "/fw/fw.bin")
	recordIn(t, o.state, "/fw/other.bin")
	if got, err := status(t, o); err != nil || strings.Count(got, "\nchannel fw") != 1 || !strings.HasSuffix(got, ".bin\n") {
		t.Errorf("got %q, %v", got, err)
	}
}

// What, why, and what to do: it has nothing to do with older releases.
func TestADamagedRecordSaysWhatToDo(t *testing.T) {
	o := statusOptions{placeOptions: placeOptions{state: t.TempDir()}}
	recordIn(t, o.state, "/fw/fw.bin")
	all, err := filepath.Glob(filepath.Join(o.state, "*.state"))
	if err != nil || len(all) != 1 {
		t.Fatalf("got %q, %v", all, err)
	}
	check(t, os.Truncate(all[0], 100))
	_, err = status(t, o)
	want := all[0] + " is damaged, so that it is not known whether a release is still to be installed: " +
		"find that out, and remove this file; remove the received file too if it is to be received and installed again"
	if err == nil || err.Error() != want || cli.ExitCode(err) != cli.ExitPolicy || cli.Code(err) != "record-damaged" {
		t.Errorf("got %v, exit code %d, code %s, want %q", err, cli.ExitCode(err), cli.Code(err), want)
	}
}
