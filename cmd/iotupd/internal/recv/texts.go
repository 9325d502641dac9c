// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"errors"
	"fmt"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/listen"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/receiver"
	"iotupd/receiver/agent"
	"iotupd/receiver/filestore"
	"iotupd/receiver/installed"
	"iotupd/receiver/installed/state"
	"iotupd/receiver/multicast"
	"strings"
)

// unknownFile names a file of which no more is known.
const unknownFile = "the file that is sent here"

// An explained error has the words of the command line. It wraps the original
// error.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

// explain puts an error of an agent into the words of the command line.
func (o *options) explain(err error) error {
	var silence *agent.SilenceError
	var stalled *agent.StalledError
	var pending *installed.PendingError
	var install *agent.InstallError
	var given *agent.GivenUpError
	var several *receiver.SeveralError
	switch {
	case errors.As(err, &several):
		return &explained{severalText(several), err}
	case errors.As(err, &silence):
		return &explained{silenceText(silence), err}
	case errors.As(err, &stalled):
		return &explained{o.stalledText(stalled), err}
	case errors.As(err, &pending):
		return &explained{fmt.Sprintf("%s: the command of --exec has succeeded, but will run again: %v", pending.Path, pending.Err), err}
	case errors.As(err, &install):
		return installError(install)
	case errors.As(err, &given):
		return &explained{fmt.Sprintf("%v; iotupd retry, or a higher sequence, changes that", given), given}
	}
	return memoryError(err)
}

func silenceText(e *agent.SilenceError) string {
	after, where := quantity.Duration(e.After), listen.Where(e.Interfaces)
	what := "nothing"
	if e.Signed {
		what = "nothing that is signed"
	}
	switch {
	case e.Instead.Reason != "":
		return fmt.Sprintf("gave up after %s on %s: %s", after, where, insteadText(e.Instead))
	case e.Search != nil:
		return fmt.Sprintf("%s was heard within %s: %v", what, after, searchError(e.Search))
	}
	return fmt.Sprintf("%s was heard within %s on %s", what, after, where)
}

func (o *options) stalledText(e *agent.StalledError) string {
	silent := "the stream has been silent for " + quantity.Duration(e.After)
	switch {
	case e.NoManifest && e.Instead.Reason != "":
		return silent + ": " + insteadText(e.Instead)
	case e.NoManifest:
		return "incomplete: " + silent + ", and no manifest was heard"
	}
	return fmt.Sprintf("incomplete: %s, with %d of %d shards at hand%s", silent, e.Held, e.Needed, o.next(e.NoDigests))
}

// next says what happens to the received bytes.
func (o *options) next(noDigests bool) string {
	switch {
	case !o.keeps():
		return ""
	case noDigests && !o.all: // files that are complete stay
		return "; the next run starts over, since no digests were heard"
	}
	return "; the next run continues from there"
}

// insteadText says which other files are sent and why they are not received;
// empty: none.
func insteadText(i agent.Instead) string {
	switch {
	case i.Reason == receiver.ReasonOtherObject:
		return onlyOthers(i)
	case i.Reason != "":
		return unknownFile + " " + reason.Of(i.Reason).File
	}
	return ""
}

// onlyOthers names the other files that are sent, as far as they are known.
func onlyOthers(i agent.Instead) string {
	if len(i.Others) == 0 {
		return "only objects other than the requested one are sent here"
	}
	more := ""
	if i.More {
		more = " and perhaps more"
	}
	return "only files other than the requested one are sent here: " + strings.Join(i.Others, ", ") + more
}

// installError is one of --exec.
func installError(e *agent.InstallError) error { return &explained{installText(e), e} }

// installText says how the command of --exec has failed, and what follows.
func installText(e *agent.InstallError) string {
	flag := "--exec"
	if e.Check {
		flag = "--check"
	}
	text := flag + " " + e.Err.Error()
	if late := (*agent.TimeoutError)(nil); errors.As(e, &late) {
		text = fmt.Sprintf(flag+" %s: stopped after %s, the time of --exec-timeout", late.Name, quantity.Duration(late.After))
	}
	switch e.State {
	case state.Failed:
		return fmt.Sprintf("%s; attempt %d was the last one: %s", text, e.Attempt, givenUp)
	case state.Rejected:
		return fmt.Sprintf("%s; %s", text, givenUp)
	}
	return text
}

const (
	givenUp  = "the release is given up until a higher sequence or iotupd retry"
	retryFix = "iotupd retry   # tries to install it again; iotupd status shows it"
)

// stateError is one of --state.
func stateError(err error) error {
	if e := (*installed.DirError)(nil); errors.As(err, &e) {
		if errors.Is(err, installed.ErrInMemory) || errors.Is(err, installed.ErrReadOnly) {
			return fmt.Errorf("--state %w: name another directory, or have the system say what runs by --installed-sequence", err)
		}
		return fmt.Errorf("--state %w", err)
	}
	return memoryError(err)
}

// memoryError says what to do about a damaged memory.
func memoryError(err error) error {
	if errors.As(err, new(*installed.DamagedError)) {
		return fmt.Errorf("%w: find out which one is installed, remove the file, and give --min-sequence once", err)
	}
	return err
}

// outputError says what to do about a path that --output cannot write to.
func outputError(err error) error {
	var target *filestore.TargetError
	switch {
	case !errors.As(err, &target):
		return err
	case errors.Is(err, filestore.ErrNamesDirectory), errors.Is(err, filestore.ErrIsDirectory):
		return cli.UsageError("--output %s %w; use --dir to keep the sent name in it", target.Path, target.Err)
	case errors.Is(err, filestore.ErrNotRegular), errors.Is(err, filestore.ErrDanglingLink):
		return cli.UsageError("--output %s %w", target.Path, target.Err)
	}
	return fmt.Errorf("--output %w", err)
}

// searchError names the flags that refused the addresses of senders.
func searchError(err error) error {
	if family := (*multicast.FamilyError)(nil); errors.As(err, &family) {
		return fmt.Errorf("%s has no address of the family that -4 or -6 asks for", family.Senders)
	}
	return err
}
