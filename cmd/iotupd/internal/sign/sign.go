// SPDX-License-Identifier: GPL-2.0-or-later

// Package sign holds the commands sign and keygen.
package sign

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/internal/durable"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/manifestfile"
	"iotupd/sender/filesource"
)

const signHelp = `Sign a file or a directory: write a manifest with its hash, name and release
number, signed with a secret key. Send both with iotupd send --manifest.
Receivers with --trust accept only what is signed. The secret key is needed here
only, not on the sender.

--sequence numbers the releases of a channel: receivers refuse a number lower
than the one of the last release they installed. Use a build number that always
rises, or auto. With --component, several products share a channel, and each has
numbers of its own.`

const signDetails = `--set signs several files as one release: it writes their manifests to --output,
and the signature beside it, for iotupd send --set. A file beside which there is
a signed manifest keeps that manifest; others need none.

The manifest of a directory has the SHA-256 of its archive and of its inventory,
which lists all names, permissions, times and hashes. It is written beside the
directory, as DIR.iotupd. Sign and send with the same --preserve.

--add adds a signature to an existing manifest, with another key, and changes
nothing else in it. A manifest has at most four signatures.`

type signOptions struct {
	cli.OutputOptions
	encode.Options
	encode.Directories
	secret       string
	passwordFile string
	output       string
	add          string
	set          bool
	files        encode.Files // of a set

	sequence  string
	name      string
	channel   string
	component string
	version   string
	targets   []string
	notes     string
	metadata  string
	created   string
	expires   string
}

// manifestFlags are those that say what is in a manifest.
var manifestFlags = []string{
	"sequence", "name", "channel", "component", "version", "target", "notes", "metadata", "created", "expires",
	"parity", "profile", "shard-size", "digest",
}

func NewCommand() *cobra.Command {
	var opts signOptions
	cmd := &cobra.Command{
		Use:   "sign [flags] FILE|DIR | sign --add MANIFEST | sign --set -o SET FILE...",
		Short: "sign a file or a directory, for send --manifest",
		Long:  signHelp,
		Example: `  iotupd sign firmware.bin -s release.key --sequence 42 --version 1.4.2
  iotupd sign firmware.bin -s release.key --sequence auto --expires 720h
  iotupd sign --add firmware.bin.iotupd -s second.key
  iotupd sign --set -o release.set -s release.key --sequence 42 FILE...
  iotupd send firmware.bin --manifest firmware.bin.iotupd`,
		Annotations:           map[string]string{cli.ExitCodesKey: cli.ExitCodeHelp, cli.DetailsKey: signDetails},
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs, // so that RunE can explain
		RunE: func(cmd *cobra.Command, args []string) error {
			std := cli.StdioOf(cmd)
			if opts.output == "-" {
				return cli.UsageError("--output -: a manifest is written to a file, not to stdout")
			}
			if opts.set {
				return opts.signFiles(cmd, args, std)
			}
			if cli.OnCommandLine(cmd.Flags().Lookup("files-from")) {
				return cli.UsageError("--files-from is for --set")
			}
			if opts.add == "" {
				if err := cli.OneArgument("FILE")(cmd, args); err != nil {
					return err
				}
				return runSign(cmd.Context(), opts, args[0], std)
			}
			if name := cli.FirstGiven(cmd.Flags(), manifestFlags); name != "" {
				return cli.UsageError("--add signs a manifest as it is: no --%s", name)
			}
			if len(args) > 0 {
				return cli.UsageError("--add signs a manifest alone, without %q", args[0])
			}
			return runAddSignature(cmd.Context(), opts, std)
		},
	}
	opts.addFlags(cmd.Flags())
	cli.CompleteFlags(cmd, opts.Options.Completions())
	cli.CompleteFlags(cmd, opts.Directories.Completions())
	cli.CompleteFlags(cmd, opts.OutputOptions.Completions())
	cli.CompleteFlags(cmd, map[string]cobra.CompletionFunc{"component": cobra.NoFileCompletions})
	return cmd
}

func (o *signOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.secret, "secret", "s", "iotupd.key", "`file` with the secret key")
	flags.StringVar(&o.passwordFile, "password-file", "", "`file` with the password of the secret key (default asks on the terminal)")
	flags.StringVarP(&o.output, "output", "o", "", "manifest `file` to write (default FILE.iotupd, or that of --add)")
	flags.StringVar(&o.add, "add", "", "add a signature to this manifest `file` instead")
	flags.BoolVar(&o.set, "set", false, "sign several files as one release, for send --set; -o says where")
	o.files.AddFlags(flags)

	flags.StringVar(&o.sequence, "sequence", "", "`number` of the release, higher than any before, or auto: the time in Unix seconds; required")
	flags.StringVar(&o.name, "name", "", "file `name` that receivers see (default that of FILE or DIR)")
	flags.StringVar(&o.channel, "channel", proto.DefaultChannel, "`name` of the channel; receivers refuse the file on any other")
	flags.StringVar(&o.component, "component", "", "`name` of the product that this is a release of: releases of other products on the channel neither replace it nor make it old (default none, which is a product of its own)")
	flags.StringVar(&o.version, "version", "", "version `text`, for people")
	flags.StringArrayVar(&o.targets, "target", nil, "`hardware` that the file is for, repeatable; receivers with another --target refuse it (default any)")
	flags.StringVar(&o.notes, "notes", "", "release notes, `text` for people")
	flags.StringVar(&o.metadata, "metadata", "", "`file` whose contents the command of recv --exec gets")
	flags.StringVar(&o.created, "created", "now", "`date` of the release, such as 2026-01-31 or 2026-01-31T12:00:00Z")
	flags.StringVar(&o.expires, "expires", "", "`date` after which receivers refuse the file, or time from now, such as 720h (default never)")

	o.Options.AddFlags(flags)
	o.Directories.AddFlags(flags)
	o.OutputOptions.AddFlags(flags)
}

func (o *signOptions) validate() error {
	if o.sequence == "" {
		return cli.UsageError("say by --sequence which release this is: a number that rises with each, or auto")
	}
	if o.component != "" {
		if c, err := cli.ReadComponent(o.component); err != nil || c == "" {
			return cmp.Or(err, cli.UsageError("--component %s means none to receivers; leave it out, or name the product", o.component))
		}
	}
	return cmp.Or(o.Options.Validate(), o.OutputOptions.Validate())
}

// runSign signs one file.
func runSign(ctx context.Context, opts signOptions, path string, std cli.Stdio) (err error) {
	if err := opts.validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	if err := encode.CheckFile(path); err != nil {
		return err
	}
	src, err := opts.open(ctx, out, path)
	if err != nil {
		return err
	}
	defer src.Close()
	m, err := opts.manifest(src, time.Now())
	if err != nil {
		return err
	}
	target := cmp.Or(opts.output, encode.Beside(path))
	if err := mayReplace(target); err != nil {
		return err
	}
	key, err := opts.key(ctx, std.Err)
	if err != nil {
		return err
	}
	out.WarnExposed(opts.secret)
	if err := opts.CheckGeometry(m.Descriptor.Params); err != nil {
		return err
	}
	cfg := opts.Options.Prepare()
	var preparation encode.Preparation
	cfg.Progress = func(fraction float64) { preparation.Show(out, time.Now(), fraction) }
	cfg.Cached = func(u filesource.CacheUse) { encode.ShowCached(out, u) }
	if err := src.prepare(ctx, m, cfg); err != nil {
		preparation.Interrupted(out, err, "nothing was signed")
		return err
	}
	m.Signatures = []proto.Signature{key.Sign(m)}
	if err := manifestfile.Write(target, m); err != nil {
		return err
	}
	showSigned(out, target, m)
	return nil
}

// runAddSignature adds a signature to a manifest.
func runAddSignature(ctx context.Context, opts signOptions, std cli.Stdio) (err error) {
	if err := opts.OutputOptions.Validate(); err != nil {
		return err
	}
	out := cli.NewOutput(ctx, opts.OutputOptions, std, std.Out)
	defer func() { err = out.Close(err) }()
	m, err := manifestfile.Read(opts.add)
	if err != nil {
		return err
	}
	target := cmp.Or(opts.output, opts.add)
	if err := mayReplace(target); err != nil {
		return err
	}
	if n := len(m.Signatures); n >= proto.MaxSignatures {
		return cli.UsageError("%s has %d signatures already; a manifest has no room for more", opts.add, n)
	}
	key, err := opts.key(ctx, std.Err)
	if err != nil {
		return err
	}
	out.WarnExposed(opts.secret)
	if slices.ContainsFunc(m.Signatures, func(s proto.Signature) bool { return s.KeyID == key.ID }) {
		return cli.UsageError("key %v has signed %s already", key.ID, opts.add)
	}
	m.Signatures = append(m.Signatures, key.Sign(m))
	if _, err := m.AppendPayload(nil); err != nil {
		return manifestError(err)
	}
	if err := manifestfile.Write(target, m); err != nil {
		return err
	}
	showSigned(out, target, m)
	return nil
}

// showSigned prints what was signed.
func showSigned(out *cli.Output, path string, m *proto.Manifest) {
	d := m.Descriptor
	e := describe.NewManifestEvent(m, nil, time.Now())
	e.Path = cli.Path(path)
	out.Final("signed", e, "%s  %s  %v  object %s...  sequence %d  %s", path, e.Title(), quantity.Size(d.Size), d.Object().Short(), m.Sequence, describe.SignedBy(m))
}

// key reads the secret key.
func (o *signOptions) key(ctx context.Context, prompts io.Writer) (keys.SecretKey, error) {
	key, err := keys.ReadSecretKey(o.secret, func() ([]byte, error) {
		return cli.PasswordSource{File: o.passwordFile, Prompts: prompts}.Read(ctx)
	})
	return key, cli.KeyFileError(err)
}

// described is a file, as far as it has to be known before it is read.
type described interface {
	Path() string
	Size() int64
}

// manifest describes the file to sign as far as that is possible without
// reading it. That it will fit its packet, with its signature, is checked here:
// before a large file is encoded.
func (o *signOptions) manifest(src described, now time.Time) (m *proto.Manifest, err error) {
	m = &proto.Manifest{
		Channel: o.channel, Component: o.component, Version: o.version, Targets: o.targets, Notes: o.notes,
	}
	if d, ok := src.(*aDirectory); ok {
		err = d.describe(m, o)
	} else {
		err = o.describeFile(m, src)
	}
	if err != nil {
		return nil, err
	}
	if m.Sequence, err = parseSequence(o.sequence, now); err != nil {
		return nil, err
	}
	if m.Created, err = parseDate("created", o.created, now); err != nil {
		return nil, err
	}
	if o.expires != "" {
		if m.Expires, err = parseDate("expires", o.expires, now); err != nil {
			return nil, err
		}
		if m.Expires <= m.Created {
			return nil, cli.UsageError("--expires %s is not after --created", o.expires)
		}
	}
	if m.Metadata, err = readMetadata(o.metadata); err != nil {
		return nil, err
	}
	full := *m
	full.Signatures = make([]proto.Signature, 1)
	if _, err := full.AppendPayload(nil); err != nil {
		return nil, manifestError(err)
	}
	return m, nil
}

// describeFile fills in name and parameters of a file.
func (o *signOptions) describeFile(m *proto.Manifest, src described) (err error) {
	m.Name = cmp.Or(o.name, filepath.Base(src.Path()))
	if err := proto.CheckName(m.Name); err != nil {
		return encode.NameError(err)
	}
	m.Descriptor.Params, err = o.Params(src.Size())
	return err
}

// mayReplace refuses to put a manifest in the place of another kind of file:
// the one to sign, or the key to sign with.
func mayReplace(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().IsRegular() { // to open a pipe would wait for its writer
		_, err = manifestfile.Read(path)
	} else if err == nil {
		err = durable.ErrNotRegular
	}
	if err != nil {
		return cli.UsageError("%s exists and is not a manifest; name another file by --output", path)
	}
	return nil
}

// manifestError says that flags make a manifest that cannot be.
func manifestError(err error) error {
	return cli.UsageError("%s", strings.TrimPrefix(err.Error(), "proto: "))
}

// parseSequence reads --sequence.
func parseSequence(s string, now time.Time) (uint64, error) {
	if s == "auto" {
		return uint64(now.Unix()), nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, cli.UsageError("--sequence %q: want a number from 1 on, or auto", s)
	}
	return n, nil
}

// parseDate reads a date, or a time from now, as Unix seconds.
func parseDate(flag, s string, now time.Time) (uint64, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if s == "now" {
		t, err = now, nil
	}
	if d, failed := time.ParseDuration(s); failed == nil {
		t, err = now.Add(d), nil
	}
	if err != nil || t.Unix() <= 0 {
		return 0, cli.UsageError("--%s %q: want a date, such as 2026-01-31 or 2026-01-31T12:00:00Z, or a time from now, such as 720h", flag, s)
	}
	return uint64(t.Unix()), nil
}

// maxMetadata is more than fits any manifest.
const maxMetadata = 1 << 16

// readMetadata reads --metadata.
func readMetadata(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.LocalError("--metadata "+path, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata))
	switch {
	case err != nil:
		return nil, cli.LocalError("--metadata "+path, err)
	case len(b) == 0:
		return nil, cli.UsageError("--metadata %s: the file is empty", path)
	case len(b) == maxMetadata:
		return nil, cli.UsageError("--metadata %s: %w", path, errors.New("the file is far too long for a manifest, which has to fit one packet"))
	}
	return b, nil
}

// Events returns an example of every event of sign, by type, for docs/json.md.
func Events() map[string]any { return map[string]any{"signed": describe.ManifestEvent{}} }
