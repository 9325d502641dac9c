// SPDX-License-Identifier: GPL-2.0-or-later

package agent

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/receiver"
	"iotupd/receiver/installed/state"
)

// Instead is what was heard, and is not to be received. The zero value says that
// nothing was.
type Instead struct {
	// Reason is why, of several the one that says most: what is refused although a
	// trusted key has signed it comes first. Empty: nothing was heard.
	Reason proto.Reason

	// Others are names of other files, some of them, if Reason is
	// [receiver.ReasonOtherObject].
	Others []string
	// More says that there may be more of them.
	More bool
}

// maxOthers is how many other files are named.
const maxOthers = 5

// String says it for a log.
func (i Instead) String() string {
	switch {
	case i.Reason == "":
		return "nothing"
	case len(i.Others) > 0:
		return "other files only: " + strings.Join(i.Others, ", ")
	}
	return "packets " + reason.Of(i.Reason).Packets
}

// refused reports whether a file is sent that must not be received, rather than
// none that could be.
func (i Instead) refused() bool {
	why := reason.Of(i.Reason).Failure
	return i.Reason != "" && (why == reason.Policy || why == reason.Authenticity)
}

// A SilenceError says that within Config.Timeout nothing was heard that could be
// received.
type SilenceError struct {
	After      time.Duration
	Interfaces []string // that were listened on; none: there was none yet
	Signed     bool     // only what a trusted key has signed counts
	Search     error    // why nobody was listened to, if DNS was asked; nil: somebody was
	Instead    Instead
}

// Error implements error.
func (e *SilenceError) Error() string {
	what := "nothing"
	if e.Signed {
		what = "nothing that is signed"
	}
	text := fmt.Sprintf("%s was heard within %v", what, e.After)
	switch {
	case e.Instead.Reason != "":
		return text + ", but " + e.Instead.String()
	case e.Search != nil:
		return text + ": " + e.Search.Error()
	}
	return text + " on " + strings.Join(e.Interfaces, ", ")
}

// Unwrap returns the error of the search, if there was one.
func (e *SilenceError) Unwrap() error { return e.Search }

// A StalledError says that for the time of Config.Stall nothing has arrived of a
// file that is not complete.
type StalledError struct {
	After        time.Duration
	Held, Needed uint64 // shards

	// NoManifest says that none had come that is to be followed, with Config.Trust
	// none by a trusted key; Instead is what was heard. Nothing is held then.
	NoManifest bool
	Instead    Instead

	// NoDigests says that no hashes of the file were heard, so that the next run
	// starts over. Else it continues, if the target keeps partial files.
	NoDigests bool
}

// Error implements error.
func (e *StalledError) Error() string {
	if e.NoManifest {
		return fmt.Sprintf("the stream has been silent for %v, and no manifest to follow was heard", e.After)
	}
	return fmt.Sprintf("the stream has been silent for %v, with %d of %d shards at hand", e.After, e.Held, e.Needed)
}

// An InstallError says that an attempt to install a file has failed. The file is in
// place. State is what has become of it: state.Received if it is tried again, if not
// now then in the next run; state.Waiting if who installs has asked for that;
// state.Failed or state.Rejected if not. Without Config.KeepPending it is state.None.
type InstallError struct {
	Err     error
	State   state.State
	Attempt int           // number of the attempt
	Check   bool          // it was Config.Install.Check that has failed
	Again   time.Duration // until the next one

	Manifest *proto.Manifest // of the file; nil without Config.KeepPending
}

// Error implements error.
func (e *InstallError) Error() string { return e.Err.Error() }

// Unwrap returns the error of what installs.
func (e *InstallError) Unwrap() error { return e.Err }

// A GivenUpError says that the release which is sent was received before, and is not to
// be installed any more: all attempts have failed, it was rejected, or an older one
// runs after it was installed.
type GivenUpError struct {
	Manifest *proto.Manifest
	State    state.State
	Why      string // may be empty
}

// Error implements error.
func (e *GivenUpError) Error() string {
	what := map[state.State]string{
		state.Failed: "all attempts to install it have failed", state.Rejected: "it was rejected", state.RolledBack: "it was rolled back",
	}[e.State]
	if e.Why != "" {
		what += ": " + e.Why
	}
	return "this release is not installed again: " + what
}

// Errors that an [InstallFunc] returns, perhaps wrapped, if it has not failed.
var (
	// ErrLater asks for another attempt later. The one that returns it does not count.
	ErrLater = errors.New("try again later")
	// ErrRejected says that this release must not be installed here at all.
	ErrRejected = errors.New("the release is rejected")
)

// instead returns what is refused, by the counts of ignored packets.
func (r *refusals) instead(ignored map[proto.Reason]uint64) Instead {
	for why := range reason.All() {
		if why.File != "" && ignored[why.Reason] > 0 {
			return Instead{Reason: why.Reason}
		}
	}
	if ignored[receiver.ReasonOtherObject] > 0 {
		return Instead{Reason: receiver.ReasonOtherObject, Others: r.others, More: len(r.others) == maxOthers}
	}
	return Instead{}
}
