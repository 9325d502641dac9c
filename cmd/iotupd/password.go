// SPDX-License-Identifier: GPL-2.0-or-later

package main

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

// A passwordSource is where the password of a secret key comes from.
type passwordSource struct {
	file string    // whose only line it is; empty: the terminal
	w    io.Writer // for prompts
}

// read returns the password of a key that is there.
func (p passwordSource) read(ctx context.Context) ([]byte, error) {
	if p.file != "" {
		return readPasswordFile(p.file)
	}
	return p.ask(ctx, "Password of the secret key: ")
}

// choose returns the password of a new key.
func (p passwordSource) choose(ctx context.Context) ([]byte, error) {
	if p.file != "" {
		return readPasswordFile(p.file)
	}
	password, err := p.ask(ctx, "New password: ")
	if err != nil {
		return nil, err
	}
	again, err := p.ask(ctx, "Again: ")
	if err == nil && !bytes.Equal(password, again) {
		err = errors.New("these are two different passwords")
	}
	return password, err
}

func readPasswordFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, localError(path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPassword+3)) // with a line end, and one byte to see that there are more
	if err != nil {
		return nil, localError(path, err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return nil, usageError("%s: no password in it", path)
	case len(b) > maxPassword:
		return nil, usageError("%s: %w", path, errTooLong)
	case bytes.ContainsAny(b, "\r\n\x00"):
		return nil, usageError("%s: want the password in one line, and nothing else", path)
	}
	return b, nil
}

// ask reads a password from the terminal. When the context ends first, the read
// that hangs is left to the end of the process, and the terminal shows again
// what is typed.
func (p passwordSource) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(os.Stdin.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, usageError("no terminal to ask for the password; give it by --password-file")
	}
	defer term.Restore(fd, state)
	fmt.Fprint(p.w, prompt)
	defer fmt.Fprintln(p.w)
	type reply struct {
		password []byte
		err      error
	}
	typed := make(chan reply, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		typed <- reply{b, err}
	}()
	select {
	case r := <-typed:
		switch {
		case r.err != nil:
			return nil, fmt.Errorf("no password was typed: %w", r.err)
		case len(r.password) == 0:
			return nil, errors.New("no password was typed")
		case len(r.password) > maxPassword:
			return nil, errTooLong
		}
		return r.password, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
