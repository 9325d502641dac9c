// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/receiver"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
)

// crashVariable names the directory of a run that is recorded.
const crashVariable = "IOTUPD_TEST_RECORDED_RUN"

// A crashDevice is where a run is recorded, and where others go on after a power cut.
type crashDevice struct {
	*testing.T
	work, state, files, marks string

	key       keys.SecretKey
	release   release
	datagrams [][]byte // of it
}

func newCrashDevice(t *testing.T, work string, sequence uint64) *crashDevice {
	d := &crashDevice{
		T: t, work: work, state: filepath.Join(work, "state"), files: filepath.Join(work, "files"), marks: filepath.Join(work, "marks"),
		release: release{name: "fw.bin", sequence: sequence},
	}
	b, err := os.ReadFile(filepath.Join(work, "key"))
	check(t, err)
	d.key, err = keys.ParseSecretKey(b, nil)
	check(t, err)
	d.release.content, d.release.key = fmt.Appendf(nil, "firmware %d", sequence), &d.key
	d.datagrams = d.release.broadcast(t).datagrams
	return d
}

// run is one run of the agent, which installs the release if it is still there from an
// earlier run, or if it is sent and received.
func (d *crashDevice) run(sent bool, install func(), observe func(Event)) error {
	trust := []proto.PublicKey{d.key.Public()}
	s := newStation(d.T, Config{Target: filestore.Dir(d.files), KeepPending: true, Trust: trust, State: d.state})
	defer s.Agent.Close()
	s.cfg.Observe = observe
	file, err := s.Pending(d.Context())
	if err == nil && file == nil && sent {
		b := &broadcast{datagrams: d.datagrams, stop: make(chan struct{})}
		defer b.Close()
		file, err = newTransfer(s.Agent, b).run(s.Context())
	}
	if err != nil || file == nil {
		return err
	}
	return file.Install(d.Context(), func(context.Context, *Received) error { install(); return nil })
}

// TestEveryStateAfterAPowerCut records this run, from the first packet to the installed
// release. It marks its promises.
func TestRunThatIsRecorded(t *testing.T) {
	work := os.Getenv(crashVariable)
	if work == "" {
		t.Skip("it is run by TestEveryStateAfterAPowerCut")
	}
	d := newCrashDevice(t, work, 7)
	marks, err := os.OpenFile(d.marks, os.O_WRONLY|os.O_CREATE, 0o600)
	check(t, err)
	mark := func(what string) { marks.WriteString(what) }
	check(t, d.run(true, func() { mark("called"); mark("effect") }, func(e Event) {
		switch e.(type) {
		case Done:
			mark("received")
		case Installed:
			mark("installed")
		}
	}))
	mark("end") // before what the end of a process does
}

// promises are what the record may say after each mark, until the next one: the sequence
// and the state of the release.
var promises = map[string][]string{
	"":          {"6 installed", "7 received"},
	"received":  {"7 received", "7 installing"},
	"called":    {"7 installing"},
	"effect":    {"7 installing", "7 installed"},
	"installed": {"7 installed"},
	"end":       {"7 installed"},
}

// "the recorded file operations of a run replayed to every legal crash state": in each of
// them the record is the one of before or the one of after, and the next run installs the
// release, twice only if the power cut came between the effect and the record.
func TestEveryStateAfterAPowerCut(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out the states after a power cut")
	}
	work, err := filepath.EvalSymlinks(t.TempDir())
	check(t, err)
	check(t, os.WriteFile(filepath.Join(work, "key"), keys.Generate().AppendText(nil, nil), 0o600))
	d := newCrashDevice(t, work, 7)
	for _, dir := range []string{d.state, d.files} {
		check(t, os.Mkdir(dir, 0o700))
	}
	check(t, newCrashDevice(t, work, 6).run(true, func() {}, func(Event) {}))
	all := recordTest(t, "TestRunThatIsRecorded", crashVariable+"="+work, d.marks, d.state, d.files)
	d.wantReplayed(all)
	different, seen, went := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	total, mark := 0, ""
	for n, op := range all {
		if op.kind == marked {
			mark = op.name
		}
		if op.ended < 0 {
			continue // it was there before
		}
		states := crashStates(all[:n+1])
		total += len(states)
		for i, s := range states {
			different[s.String()] = true
			what := fmt.Sprintf("after operation %d, %v, state %d, mark %q", n+1, op, i, mark)
			ok := true
			if records := s.in(d.state); !seen[mark+records.String()] {
				seen[mark+records.String()] = true
				ok = d.keeps(records, mark, what)
			}
			if used := s.used(); ok && !went[mark+used.String()] {
				went[mark+used.String()] = true
				ok = d.goesOn(used, mark, what)
			}
			if !ok {
				t.Fatalf("the disk is\n%v", s)
			}
		}
	}
	if mark != "end" {
		t.Fatalf("the last mark is %q", mark)
	}
	t.Logf("%d operations, %d states after a power cut, %d of them different: %d for the record, %d for the next run",
		len(all), total, len(different), len(seen), len(went))
}

// recorded is what the only record says.
func (d *crashDevice) recorded() (string, error) {
	records, err := installed.ReadAll(d.state)
	if err != nil || len(records) != 1 {
		return fmt.Sprintf("%d records", len(records)), err
	}
	return fmt.Sprintf("%d %v", records[0].Sequence(), records[0].State), nil
}

// keeps reports whether the record in a state of the disk says what was promised.
func (d *crashDevice) keeps(s disk, mark, what string) (ok bool) {
	d.put(s)
	now, err := d.recorded()
	if err != nil || !slices.Contains(promises[mark], now) {
		d.Errorf("%s: got %s, %v, want one of %q", what, now, err, promises[mark])
		return false
	}
	return true
}

// goesOn reports whether the next run installs the release in a state of the disk, and once
// unless it cannot know that.
func (d *crashDevice) goesOn(s disk, mark, what string) (ok bool) {
	d.put(s)
	if floor, err := d.floor(); err != nil || floor != 7 && (mark != "" || floor != 6) {
		d.Errorf("%s: the last sequence is %d, %v", what, floor, err)
		return false
	}
	effects, most := 0, 1
	if mark == "effect" || mark == "installed" || mark == "end" {
		effects++
	}
	if now, _ := d.recorded(); effects == 1 && now == "7 installing" {
		most = 2
	}
	for _, sent := range []bool{true, false} {
		if err := d.run(sent, func() { effects++ }, func(Event) {}); err != nil {
			d.Errorf("%s: %v", what, err)
			return false
		}
	}
	got, err := os.ReadFile(filepath.Join(d.files, d.release.name))
	if effects < 1 || effects > most || err != nil || !bytes.Equal(got, d.release.content) {
		d.Errorf("%s: it was installed %d times, want at most %d; the file has %q, %v", what, effects, most, got, err)
		return false
	}
	if now, err := d.recorded(); err != nil || now != "7 installed" {
		d.Errorf("%s: in the end, got %s, %v", what, now, err)
		return false
	}
	return true
}

// floor is the sequence below which no release is taken.
func (d *crashDevice) floor() (uint64, error) {
	m, err := installed.Open(d.state, "test", []proto.PublicKey{d.key.Public()})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	all, err := m.Releases()
	return all[receiver.Series{Key: d.key.ID}].Sequence, err
}

// put makes the directories hold a state of the disk.
func (d *crashDevice) put(s disk) {
	for _, dir := range []string{d.state, d.files} {
		check(d.T, os.RemoveAll(dir))
		check(d.T, os.Mkdir(dir, 0o700))
	}
	for path, content := range s {
		check(d.T, os.WriteFile(path, content, 0o600))
	}
}

// wantReplayed fails unless all operations together lead to what the directories hold:
// then none was missed.
func (d *crashDevice) wantReplayed(all []operation) {
	d.Helper()
	end := operation{kind: synced, began: all[len(all)-1].ended + 1}
	var done []operation
	for _, op := range all {
		done = append(done, op)
		if op.isContent() {
			end.file = op.file
			done = append(done, end)
		}
	}
	for _, dir := range []string{d.state, d.files} {
		done = append(done, operation{kind: dirSynced, dir: dir, began: end.began})
	}
	states := crashStates(done)
	if len(states) != 1 {
		d.Fatalf("%d states when all is synced", len(states))
	}
	got := make(disk)
	for _, dir := range []string{d.state, d.files} {
		entries, err := os.ReadDir(dir)
		check(d.T, err)
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			got[path], err = os.ReadFile(path)
			check(d.T, err)
		}
	}
	if got.String() != states[0].String() {
		d.Fatalf("got\n%v\nand by the operations\n%v", got, states[0])
	}
}

// in is what one directory holds.
func (s disk) in(dir string) disk {
	some := maps.Clone(s)
	maps.DeleteFunc(some, func(path string, _ []byte) bool { return filepath.Dir(path) != dir })
	return some
}

// used is s without the files that no other run looks at, since their names are random.
func (s disk) used() disk {
	used := maps.Clone(s)
	maps.DeleteFunc(used, func(path string, _ []byte) bool { return strings.HasPrefix(filepath.Base(path), ".iotupd-") })
	return used
}

func (s disk) String() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s %q\n", path, s[path])
	}
	return b.String()
}

func (op operation) String() string {
	verb := []string{"created", "written", "truncated", "renamed", "removed", "synced", "dir synced", "marked"}[op.kind]
	return fmt.Sprintf("%s file %d %s %s", verb, op.file, op.name, op.to)
}
