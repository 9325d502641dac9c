// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxPassword is the length in bytes of the longest password that minisign
// takes too.
const maxPassword = 1022

// errTooLong refuses a password that only one of both programs would take.
var errTooLong = fmt.Errorf("the password has more than %d bytes", maxPassword)

// A PasswordSource is where the password of a secret key comes from.
type PasswordSource struct {
	File    string    // whose only line it is; empty: the terminal
	Prompts io.Writer // where they go
}

// Read returns the password of a key that is there.
func (p PasswordSource) Read(ctx context.Context) ([]byte, error) {
	if p.File != "" {
		return await(ctx, func() ([]byte, error) { return readPasswordFile(p.File) }) // which may be a pipe
	}
	return p.ask(ctx, "Password of the secret key: ")
}

// Choose returns the password of a new key.
func (p PasswordSource) Choose(ctx context.Context) ([]byte, error) {
	if p.File != "" {
		return await(ctx, func() ([]byte, error) { return readPasswordFile(p.File) })
	}
	password, err := p.ask(ctx, "New password: ")
	if err != nil {
		return nil, err
	}
	again, err := p.ask(ctx, "Again: ")
	if err == nil && !bytes.Equal(password, again) {
		err = errors.New("the two passwords differ")
	}
	return password, err
}

func readPasswordFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, LocalError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPassword+3)) // with a line end, and one byte to see that there are more
	if err != nil {
		return nil, LocalError(path, err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return nil, UsageError("%s: no password in it", path)
	case len(b) > maxPassword:
		return nil, UsageError("%s: %w", path, errTooLong)
	case bytes.ContainsAny(b, "\r\n\x00"):
		return nil, UsageError("%s: want the password in one line, and nothing else", path)
	}
	return b, nil
}

// ask reads a password from the terminal. When the context ends first, the read
// that hangs is left to the end of the process, and the terminal shows again
// what is typed.
func (p PasswordSource) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, UsageError("no terminal to ask for the password; give it by --password-file")
	}
	restore := func() { term.Restore(fd, state) }
	defer atEnd(ctx, func(SignalError, bool) { restore() })()
	defer restore()
	defer say(p.Prompts, readerTimeout{each: lastWords, all: lastWords}, "\n")
	b, err := await(ctx, func() ([]byte, error) {
		fmt.Fprint(p.Prompts, prompt) // which a stopped terminal does not take
		return term.ReadPassword(fd)
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("no password was entered: %w", err)
	case len(b) == 0:
		return nil, errors.New("no password was entered")
	case len(b) > maxPassword:
		return nil, errTooLong
	}
	return b, nil
}

// await returns what do does, or the cause of ctx if that ends first: then what do
// waits for is left to the end of the process.
func await(ctx context.Context, do func() ([]byte, error)) ([]byte, error) {
	type reply struct {
		b   []byte
		err error
	}
	done := make(chan reply, 1)
	go func() {
		b, err := do()
		done <- reply{b, err}
	}()
	select {
	case r := <-done:
		return r.b, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
