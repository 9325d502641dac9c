// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/receiver/agent"
)

// hookOptions are the flags of recv about the program that installs the file.
type hookOptions struct {
	exec           string
	execTimeout    time.Duration
	attempts       int
	confirm        bool
	confirmTimeout time.Duration
}

func (o *hookOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.exec, "exec", "", "`command` to run after a new file is in place; {} is its path; no shell is used")
	flags.DurationVar(&o.execTimeout, "exec-timeout", 10*time.Minute, "stop the command after this `time`")
	flags.IntVar(&o.attempts, "exec-attempts", agent.DefaultAttempts, "give a release up after `n` attempts that failed")
	flags.BoolVar(&o.confirm, "confirm", false, "after the command has succeeded, the release has to be confirmed: by iotupd confirm")
	flags.DurationVar(&o.confirmTimeout, "confirm-timeout", 0, "`max` uptime after which a release that nobody has confirmed counts as rolled back (default never)")
}

// mostAttempts is more than anybody wants.
const mostAttempts = 1000

func (o *hookOptions) validate() error {
	switch {
	case o.confirm && o.exec == "":
		return cli.UsageError("--confirm needs --exec: what is not installed need not be confirmed")
	case o.confirmTimeout != 0 && !o.confirm:
		return cli.UsageError("--confirm-timeout needs --confirm")
	case o.confirmTimeout < 0:
		return cli.UsageError("--confirm-timeout %v: want a time, such as 1h", o.confirmTimeout)
	case o.exec == "":
		return nil
	case o.execTimeout <= 0:
		return cli.UsageError("--exec-timeout %v: want a time, such as 10m", o.execTimeout)
	case o.attempts < 1 || o.attempts > mostAttempts:
		return cli.UsageError("--exec-attempts %d: want 1 to %d", o.attempts, mostAttempts)
	}
	_, err := o.install()
	return err
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
	return agent.InstallConfig{Attempts: o.attempts, Confirm: o.confirm, ConfirmTimeout: o.confirmTimeout}
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
