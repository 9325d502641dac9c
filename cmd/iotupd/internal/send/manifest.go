// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"strconv"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/internal/printable"
	"iotupd/proto"
	"iotupd/proto/manifestfile"
	"iotupd/sender/agent"
)

// takeManifest reads the manifest of --manifest, and sets the flags that it
// determines. A flag on the command line that contradicts it is an error; it
// overrides environment variables.
func (o *sendOptions) takeManifest(flags *pflag.FlagSet) (err error) {
	if o.from == "" {
		return nil
	}
	if o.cfg.Manifest, err = manifestfile.Read(o.from); err != nil {
		return err
	}
	d, digest := o.cfg.Manifest.Descriptor, "on"
	if d.Root == (proto.Digest{}) {
		digest = "off"
	}
	for _, decided := range []struct{ flag, value string }{
		{"name", nameOf(&agent.File{Manifest: o.cfg.Manifest})},
		{"channel", o.cfg.Manifest.Channel},
		{"shard-size", strconv.Itoa(d.ShardSize)},
		{"digest", digest},
	} {
		f := flags.Lookup(decided.flag)
		if cli.OnCommandLine(f) && f.Value.String() != decided.value {
			return cli.UsageError("--%s %s: %s says %q; leave the flag out", f.Name, f.Value, o.from, printable.Text(decided.value))
		}
		if err := f.Value.Set(decided.value); err != nil {
			return cli.UsageError("%s: %w", o.from, err)
		}
	}
	if !cli.OnCommandLine(flags.Lookup("parity")) && !cli.OnCommandLine(flags.Lookup("profile")) {
		return nil
	}
	if p, err := o.Params(int64(d.Size)); err != nil || p != d.Params {
		return cli.UsageError("--parity %s and --profile %s make other groups than the %d+%d shards in %s; leave the flags out",
			o.Parity, o.Profile, d.K, d.M, o.from)
	}
	return nil
}

// mismatch says that the manifest describes another file.
func (o *sendOptions) mismatch(e *agent.MismatchError) error {
	switch {
	case e.Directory && o.from != "":
		return cli.UsageError("%s is not the directory that %s describes: something in it has changed since, or --preserve was another one; sign it again", e.Path, o.from)
	case o.set.path != "" && e.Path == o.set.path:
		return cli.UsageError("%s is not the set that %s%s signs: sign the files again", e.Path, e.Path, manifestfile.Suffix)
	case o.set.path != "":
		return cli.UsageError("%s is not the file that %s lists: its SHA-256 is %x there, and %x here", e.Path, o.set.path, e.Want.SHA256, e.Got.SHA256)
	case o.from == "": // of several files
		return cli.UsageError("%w", e)
	}
	if e.Want.Size != e.Got.Size {
		return cli.UsageError("%s has %d bytes, but the file that %s describes has %d", e.Path, e.Got.Size, o.from, e.Want.Size)
	}
	return cli.UsageError("the file is not the one that %s describes: its SHA-256 is %x there, and %x here",
		o.from, e.Want.SHA256, e.Got.SHA256)
}
