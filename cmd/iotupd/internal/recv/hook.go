// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/durable"
	"iotupd/proto"
	"iotupd/receiver/agent"
	"iotupd/receiver/installed"
)

// hookOptions are the flags of recv about the program that installs the file.
type hookOptions struct {
	exec           string
	check          string
	execTimeout    time.Duration
	attempts       int
	confirm        bool
	confirmTimeout time.Duration

	installedSequence string
	installedObject   string
}

func (o *hookOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.exec, "exec", "", "`command` to run after a new file is in place; {} is its path; no shell is used")
	flags.DurationVar(&o.execTimeout, "exec-timeout", 10*time.Minute, "stop a command of --exec or --check after this `time`")
	flags.IntVar(&o.attempts, "exec-attempts", agent.DefaultAttempts, "give a release up after `n` attempts that failed")
	flags.BoolVar(&o.confirm, "confirm", false, "after the command has succeeded, the release has to be confirmed: by iotupd confirm")
	flags.DurationVar(&o.confirmTimeout, "confirm-timeout", 0, "`max` uptime after which a release that nobody has confirmed counts as rolled back (default never)")
	flags.StringVar(&o.installedSequence, "installed-sequence", "", "``the sequence number of the release that runs, or @FILE that holds it; a missing file says nothing (default not known)")
	flags.StringVar(&o.installedObject, "installed-object", "", "`id` of the object of the release that runs, or @FILE that holds it (default not known)")
}

func (o *hookOptions) addCheckFlag(flags *pflag.FlagSet) {
	flags.StringVar(&o.check, "check", "", "`command` to run before a new file is in place: exit code 0 takes it, 65 rejects it, 75 asks for a later check; {} is its path (default none)")
}

// mostAttempts is more than anybody wants.
const mostAttempts = 1000

func (o *hookOptions) validate() error {
	switch {
	case o.confirm && o.exec == "":
		return cli.UsageError("--confirm needs --exec: without it, nothing is installed that could be confirmed")
	case o.confirmTimeout != 0 && !o.confirm:
		return cli.UsageError("--confirm-timeout needs --confirm")
	case o.confirmTimeout < 0:
		return cli.UsageError("--confirm-timeout %v: want a time, such as 1h", o.confirmTimeout)
	case o.exec == "" && o.check == "":
		return nil
	case o.execTimeout <= 0:
		return cli.UsageError("--exec-timeout %v: want a time, such as 10m", o.execTimeout)
	case o.attempts < 1 || o.attempts > mostAttempts:
		return cli.UsageError("--exec-attempts %d: want 1 to %d", o.attempts, mostAttempts)
	}
	_, err := o.install()
	_, err2 := o.checkFunc()
	return cmp.Or(err, err2)
}

// checkFunc returns what checks a file; nil: nothing does.
func (o *hookOptions) checkFunc() (agent.InstallFunc, error) {
	if o.check == "" {
		return nil, nil
	}
	check, err := agent.Command(o.check, o.execTimeout)
	if err != nil {
		return nil, cli.UsageError("--check %q: %w", o.check, err)
	}
	return unhurried(check), nil
}

// install returns what installs a file; nil: nothing does.
func (o *hookOptions) install() (agent.InstallFunc, error) {
	if o.exec == "" {
		return nil, nil
	}
	install, err := agent.Command(o.exec, o.execTimeout)
	if err != nil {
		return nil, cli.UsageError("--exec %q: %w", o.exec, err)
	}
	return unhurried(install), nil
}

// installConfig returns what the flags say about installing.
func (o *hookOptions) installConfig() agent.InstallConfig {
	c := agent.InstallConfig{Attempts: o.attempts, Confirm: o.confirm, ConfirmTimeout: o.confirmTimeout}
	c.Check, _ = o.checkFunc() // validate has reported an error
	if o.installedSequence != "" || o.installedObject != "" {
		c.Running = o.running
	}
	return c
}

// running returns what --installed-sequence and --installed-object say.
func (o *hookOptions) running() (r installed.Running, err error) {
	text, err := valueOf(o.installedSequence)
	if err == nil && text != "" {
		if r.Sequence, err = strconv.ParseUint(text, 10, 64); err != nil {
			err = cli.UsageError("--installed-sequence %s: %q is not a number", o.installedSequence, text)
		}
	}
	if err != nil {
		return r, err
	}
	if text, err = valueOf(o.installedObject); err == nil && text != "" {
		if r.Object, err = proto.ParseObjectID(text); err != nil {
			err = cli.UsageError("--installed-object %s: %w", o.installedObject, err)
		}
	}
	return r, err
}

// maxValue is more than any value of @FILE has, in bytes.
const maxValue = 256

// valueOf returns a value, or for @FILE the content of that file; empty: it does not
// exist.
func valueOf(value string) (string, error) {
	path, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		return value, nil
	}
	f, err := durable.OpenRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", cli.LocalError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxValue))
	if err != nil {
		return "", cli.LocalError(path, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// unhurried lets a command that installs end by itself when a signal comes: it has
// been asked to, and has a time of its own for that. To kill one that writes to flash
// memory leaves a device that does not start.
func unhurried(install agent.InstallFunc) agent.InstallFunc {
	return func(ctx context.Context, file *agent.Received) error {
		defer cli.Hold(ctx)()
		return install(ctx, file)
	}
}
