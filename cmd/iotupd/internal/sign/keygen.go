// SPDX-License-Identifier: GPL-2.0-or-later

package sign

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/internal/durable"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
)

const keygenHelp = `Make a key pair: a secret key for iotupd sign, and a public key for recv
--trust. With --group, make a group key instead, which encrypts: everyone who
has it can read what is sent to the group, and can send to it. Existing files
are never overwritten.`

const keygenDetails = `Key pairs are files of minisign 0.11. minisign can make them as well, and
changes a password with minisign -C. The flags --password and --group have no
environment variable.`

type keygenOptions struct {
	secret       string
	public       string
	group        string
	password     bool
	passwordFile string
	quiet        bool
}

func NewKeygenCommand() *cobra.Command {
	var opts keygenOptions
	cmd := &cobra.Command{
		Use:   "keygen [flags]",
		Short: "make keys for signing, or for encryption",
		Long:  keygenHelp,
		Example: `  iotupd keygen --password
  iotupd keygen -s release.key -p release.pub --password-file pw.txt
  iotupd keygen --group group.key`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: keygenDetails},
		DisableFlagsInUseLine: true,
		Args:                  cli.NoArguments,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			flags := cmd.Flags()
			if opts.group != "" && (flags.Changed("secret") || flags.Changed("public") || opts.protected()) {
				return cli.UsageError("--group makes a group key alone: no --secret, --public or password")
			}
			return runKeygen(cmd.Context(), opts, cli.StdioOf(cmd))
		},
	}
	opts.addFlags(cmd.Flags())
	return cmd
}

func (o *keygenOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.secret, "secret", "s", "iotupd.key", "`file` for the secret key")
	flags.StringVarP(&o.public, "public", "p", "iotupd.pub", "`file` for the public key")
	flags.BoolVar(&o.password, "password", false, "ask for a password, which encrypts the secret key (default not encrypted)")
	flags.StringVar(&o.passwordFile, "password-file", "", "encrypt the secret key with the password in this `file`")
	flags.StringVar(&o.group, "group", "", "make a group key in this `file` instead of a key pair")
	cli.NotFromEnvironment(flags, "password", "group")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print errors only")
}

// protected reports whether the secret key is to be encrypted.
func (o *keygenOptions) protected() bool { return o.password || o.passwordFile != "" }

// runKeygen makes a pair of keys, or a group key.
func runKeygen(ctx context.Context, opts keygenOptions, std cli.Stdio) (err error) {
	out := cli.NewOutput(ctx, cli.OutputOptions{Quiet: opts.quiet}, std, nil)
	defer func() { err = out.Close(err) }()
	if opts.group != "" {
		key, err := seal.NewKey(rand.Reader)
		if err != nil {
			return err
		}
		if err := createFile(opts.group, keyMode, []byte(key.Text())); err != nil {
			return err
		}
		out.Line("%s  group key, for send -k and recv -k; keep it secret", opts.group)
		return nil
	}
	if filepath.Clean(opts.secret) == filepath.Clean(opts.public) {
		return cli.UsageError("--secret and --public are one file, %s; name two", opts.secret)
	}
	// Before a password is asked for.
	for _, path := range []string{opts.secret, opts.public} {
		if _, err := os.Lstat(path); err == nil {
			return existsError(path)
		}
	}
	var password []byte
	hint := "not encrypted: anyone who can read it can sign; see --password"
	if opts.protected() {
		if password, err = (cli.PasswordSource{File: opts.passwordFile, Prompts: std.Err}).Choose(ctx); err != nil {
			return err
		}
		hint = "encrypted; keep it secret"
	}
	key := keys.Generate()
	if err := writePair(opts, key, password); err != nil {
		return err
	}
	out.Line("%s  secret key %v, %s", opts.secret, key.ID, hint)
	out.Line("%s  public key %v, for recv --trust", opts.public, key.ID)
	return nil
}

// writePair writes both files, or none.
func writePair(opts keygenOptions, key keys.SecretKey, password []byte) error {
	if err := createFile(opts.secret, keyMode, key.AppendText(nil, password)); err != nil {
		return err
	}
	err := createFile(opts.public, 0o666, keys.AppendPublicKey(nil, key.Public()))
	if err != nil {
		os.Remove(opts.secret)
	}
	return err
}

// keyMode is the mode of files that hold secrets.
const keyMode = 0o600

// createFile makes a file durable that is not there yet. A failure leaves none.
func createFile(path string, mode fs.FileMode, content []byte) error {
	err := durable.CreateFile(path, content, mode)
	switch {
	case errors.Is(err, fs.ErrExist):
		return existsError(path)
	case err != nil:
		return cli.LocalError(path, err)
	}
	return nil
}

func existsError(path string) error {
	return cli.WithCode(cli.ExitLocalIO, fmt.Errorf("%s exists, and keys are never overwritten; remove it first, or name another file", path))
}
