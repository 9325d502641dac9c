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
	exec        string
	execTimeout time.Duration
}

func (o *hookOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.exec, "exec", "", "`command` to run once a new file is there, without a shell; {} stands for its path, and variables IOTUPD_FILE... tell more")
	flags.DurationVar(&o.execTimeout, "exec-timeout", 10*time.Minute, "stop the command after this `time`")
}

func (o *hookOptions) validate() error {
	if o.exec == "" {
		return nil
	}
	if o.execTimeout <= 0 {
		return cli.UsageError("--exec-timeout %v: want a time, such as 10m", o.execTimeout)
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

// unhurried lets a command that installs end by itself when a signal comes: it has
// been asked to, and has a time of its own for that. To kill one that writes to flash
// memory leaves a device that does not start.
func unhurried(install agent.InstallFunc) agent.InstallFunc {
	return func(ctx context.Context, file *agent.Received) error {
		defer cli.Hold(ctx)()
		return install(ctx, file)
	}
}
