// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"context"
	"errors"
	"io"
	"iotupd/cmd/iotupd/internal/cli"
	"syscall"
)

// copyTo returns a use of verified bytes: to be written to w. When the context
// ends first, a write that hangs is left to the end of the process.
func copyTo(w io.Writer) func(context.Context, io.Reader) error {
	return func(ctx context.Context, verified io.Reader) error {
		copied := make(chan error, 1)
		go func() {
			_, err := io.Copy(w, verified)
			copied <- err
		}()
		select {
		case err := <-copied:
			if errors.Is(err, syscall.EPIPE) {
				return cli.WithCode(cli.ExitSignal+int(syscall.SIGPIPE), errors.New("the program that read stdout (-o -) has ended"))
			}
			return cli.WithCode(cli.ExitLocalIO, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
