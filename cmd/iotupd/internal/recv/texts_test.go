// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
)

func TestErrorsInTheWordsOfTheCommandLine(t *testing.T) {
	instead := func(r proto.Reason) agent.Instead { return agent.Instead{Reason: r} }
	const s3 = 3 * time.Second
	lo := []string{"lo"}
	tests := []struct {
		err  error
		code int
		text string // at the beginning
	}{
		{&agent.SilenceError{After: s3, Interfaces: lo}, cli.ExitSilence, "nothing was heard within 3 s on lo"},
		{&agent.SilenceError{After: s3}, cli.ExitSilence, "nothing was heard within 3 s on no interface yet"},
		{&agent.SilenceError{After: s3, Interfaces: lo, Signed: true}, cli.ExitSilence, "nothing that is signed was heard within 3 s on lo"},
		{&agent.SilenceError{After: s3, Search: errors.New("no such host")}, cli.ExitSilence, "nothing was heard within 3 s: no such host"},
		{
			&agent.SilenceError{After: s3, Search: &multicast.FamilyError{Senders: "priority 1"}}, cli.ExitSilence,
			"nothing was heard within 3 s: priority 1 has no address of the family that -4 or -6 asks for",
		},
		{&agent.SilenceError{After: s3, Interfaces: lo, Instead: instead(receiver.ReasonOtherObject)}, cli.ExitSilence, "gave up after 3 s on lo: only objects other than the requested one are sent here"},
		{
			&agent.SilenceError{After: s3, Interfaces: lo, Instead: agent.Instead{Reason: receiver.ReasonOtherObject, Others: []string{"a", "b"}, More: true}}, cli.ExitSilence,
			"gave up after 3 s on lo: only files other than the requested one are sent here: a, b and perhaps more",
		},
		{&agent.SilenceError{After: s3, Interfaces: lo, Instead: instead(receiver.ReasonTooLarge)}, cli.ExitPolicy, "gave up after 3 s on lo: the file that is sent here is larger than --max-size"},
		{&agent.SilenceError{After: s3, Interfaces: lo, Instead: instead(receiver.ReasonSealed)}, cli.ExitAuthenticity, "gave up after 3 s on lo: the file that is sent here is sealed"},
		{&agent.SilenceError{After: s3, Interfaces: lo, Instead: instead(receiver.ReasonSignature)}, cli.ExitAuthenticity, "gave up after 3 s on lo: the file that is sent here is not signed by a key of --trust"},
		{&agent.SilenceError{After: s3, Interfaces: lo, Instead: instead(receiver.ReasonRollback)}, cli.ExitPolicy, "gave up after 3 s on lo: the file that is sent here is older than what was installed last"},

		{
			&agent.StalledError{After: s3, Held: 4, Needed: 100, NoDigests: true}, cli.ExitIncomplete,
			"incomplete: the stream has been silent for 3 s, with 4 of 100 shards at hand; the next run starts over, since no digests were heard",
		},
		{
			&agent.StalledError{After: s3, Held: 4, Needed: 100}, cli.ExitIncomplete,
			"incomplete: the stream has been silent for 3 s, with 4 of 100 shards at hand; the next run continues from there",
		},
		// "The stream went silent for --stall before the file was complete": exit.go.
		{&agent.StalledError{After: s3, NoManifest: true}, cli.ExitIncomplete, "incomplete: the stream has been silent for 3 s, and no manifest was heard"},
		{&agent.StalledError{After: s3, NoManifest: true, Instead: instead(receiver.ReasonSignature)}, cli.ExitAuthenticity, "the stream has been silent for 3 s: the file that is sent here is not signed"},
		{&agent.StalledError{After: s3, NoManifest: true, Instead: instead(receiver.ReasonOtherObject)}, cli.ExitIncomplete, "the stream has been silent for 3 s: only objects other than"},

		{&agent.InstallError{Err: errors.New("rauc: exit status 1: no slot")}, cli.ExitHook, "--exec rauc: exit status 1: no slot"},
		{&agent.InstallError{Err: &agent.TimeoutError{Name: "rauc", After: 10 * time.Minute}}, cli.ExitHook, "--exec rauc: stopped after 10m00s, the time of --exec-timeout"},
		{&agent.InstallError{Err: errors.New("no"), State: state.Failed, Attempt: 3}, cli.ExitHook, "--exec no; attempt 3 was the last one: " + givenUp},
		{&agent.GivenUpError{State: state.RolledBack}, cli.ExitHook, "this release is not installed again: it was rolled back; iotupd retry, or a higher sequence, changes that"},
		{&installed.LockedError{Path: "lock"}, cli.ExitLocalIO, "lock is locked: an installation of this channel is still running"},
		{&installed.PendingError{Path: "note", Err: fs.ErrPermission}, cli.ExitLocalIO, "note: the command of --exec has succeeded, but will run again: permission denied"},
		{
			&installed.DamagedError{Path: "state"}, cli.ExitPolicy, "state is damaged, so that older releases cannot be recognized: " +
				"find out which one is installed, remove the file, and give --min-sequence once",
		},
		{&installed.DamagedRecordError{Path: "state"}, cli.ExitPolicy, "state is damaged, so that it is not known whether a release is still to be installed: find that out, "},
		{receiver.ErrIntegrity, cli.ExitIntegrity, receiver.ErrIntegrity.Error()},
		{&multicast.Error{Err: errors.New("no network")}, cli.ExitNetwork, "no network"},
	}
	opts := options{output: "fw.bin"}
	for _, test := range tests {
		err := opts.explain(test.err)
		if cli.ExitCode(err) != test.code || !strings.HasPrefix(err.Error(), test.text) || !errors.Is(err, test.err) {
			t.Errorf("got %q with exit code %d, want %q with %d", err, cli.ExitCode(err), test.text, test.code)
		}
	}
	if opts.explain(nil) != nil {
		t.Error("success is an error")
	}
	dry := options{output: "-"}
	if got := dry.explain(&agent.StalledError{After: s3, Held: 4, Needed: 100}); strings.Contains(got.Error(), "next run") {
		t.Errorf("got %q, but stdout cannot be continued", got)
	}
}

func TestErrorsOfPathsNameTheirFlag(t *testing.T) {
	tests := []struct {
		err  error
		code int
		text string
	}{
		{&filestore.TargetError{Path: "x/", Err: filestore.ErrNamesDirectory}, cli.ExitUsage, "--output x/ names a directory; use --dir to keep the sent name in it"},
		{&filestore.TargetError{Path: "x", Err: filestore.ErrIsDirectory}, cli.ExitUsage, "--output x is a directory; use --dir to keep the sent name in it"},
		{&filestore.TargetError{Path: "x", Err: filestore.ErrNotRegular}, cli.ExitUsage, "--output x is not a regular file"},
		{&filestore.TargetError{Path: "x", Err: filestore.ErrDanglingLink}, cli.ExitUsage, "--output x is a symbolic link to a file that does not exist"},
		{&filestore.TargetError{Path: "x", Err: fs.ErrPermission}, cli.ExitLocalIO, "--output x: permission denied"},
	}
	for _, test := range tests {
		if err := outputError(test.err); err.Error() != test.text || cli.ExitCode(err) != test.code {
			t.Errorf("got %q with exit code %d, want %q with %d", err, cli.ExitCode(err), test.text, test.code)
		}
	}
	err := stateError(&installed.DirError{Path: "dir", Err: fs.ErrPermission})
	if want := "--state dir: what is installed cannot be remembered there: permission denied"; err.Error() != want || cli.ExitCode(err) != cli.ExitLocalIO {
		t.Errorf("got %q with exit code %d, want %q", err, cli.ExitCode(err), want)
	}
}
