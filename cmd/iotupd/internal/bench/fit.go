// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"fmt"
	"io"
	"os"

	"iotupd/bench/simnet"
	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
)

const fitHelp = `Find the loss model that fits a trace of recv --record best: Bernoulli, Gilbert
or Gilbert-Elliott. Each is printed in the form that bench --loss reads, the
best first.`

const fitDetails = `Models are compared by the Akaike information criterion (AIC), which weighs the
likelihood of the trace under a model against its number of parameters. Models
within 2 of the best are as good. The last digits can differ between kinds of
CPUs.`

func newFitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "fit FILE",
		Short:                 "find the model of a recorded loss trace",
		Long:                  fitHelp,
		Example:               "  iotupd recv -o fw.bin --record field.trace\n  iotupd bench fit field.trace",
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: fitDetails},
		DisableFlagsInUseLine: true,
		Args:                  cli.OneArgument("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runFit(args[0], cmd.OutOrStdout())
		},
	}
	return cmd
}

func runFit(path string, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return cli.LocalError(path, err)
	}
	defer f.Close()
	t, err := simnet.ReadTrace(f)
	if err != nil {
		return cli.UsageError("%s: %w", path, err)
	}
	if t.Packets() == 0 {
		return cli.UsageError("%s holds no packets", path)
	}
	fmt.Fprintf(w, "%s  %d packets  %d lost (%.4g %%)\n\n", path, t.Packets(), t.Lost(), 100*float64(t.Lost())/float64(t.Packets()))
	results := simnet.Fit(t)
	width := len("model")
	for _, r := range results {
		width = max(width, len(r.Loss.String()))
	}
	fmt.Fprintf(w, "%-*s  %14s  %12s  %s\n", width, "model", "log-likelihood", "AIC", "above the best")
	for _, r := range results {
		fmt.Fprintf(w, "%-*s  %14.1f  %12.1f  %14.1f\n", width, r.Loss, r.LogLikelihood, r.AIC, r.AIC-results[0].AIC)
	}
	_, err = fmt.Fprintf(w, "\niotupd bench --loss %s\n", results[0].Loss)
	return cli.WithCode(cli.ExitLocalIO, err)
}
