// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"strconv"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/encode"
	"iotupd/cmd/iotupd/internal/manifestfile"
	"iotupd/proto"
	"iotupd/sender"
)

// takeManifest reads the manifest of --manifest, and sets from it the flags that
// it decides on. One on the command line that says otherwise is a mistake; what
// comes from the environment gives way.
func (o *sendOptions) takeManifest(flags *pflag.FlagSet) (err error) {
	if o.from == "" {
		return nil
	}
	if o.signed, err = manifestfile.Read(o.from); err != nil {
		return err
	}
	d, digest := o.signed.Descriptor, "on"
	if d.Root == (proto.Digest{}) {
		digest = "off"
	}
	for _, decided := range []struct{ flag, value string }{
		{"name", o.signed.Name},
		{"channel", o.signed.Channel},
		{"shard-size", strconv.Itoa(d.ShardSize)},
		{"digest", digest},
	} {
		f := flags.Lookup(decided.flag)
		if cli.OnCommandLine(f) && f.Value.String() != decided.value {
			return cli.UsageError("--%s %s: %s says %q; leave the flag out", f.Name, f.Value, o.from, cli.Printable(decided.value))
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

// checkSize tells a file that is not that of the manifest before it is read.
func (o *sendOptions) checkSize(src *encode.Source) error {
	if want := o.signed.Descriptor.Size; uint64(src.Size) != want {
		return cli.UsageError("%s has %d bytes, but the file that %s describes has %d", src.Path, src.Size, o.from, want)
	}
	return nil
}

// putManifest puts the manifest to send into an object that was made of the
// file. One that is signed has to be of that object.
func (v *sendView) putManifest(o *sender.Object) error {
	d := o.Manifest.Descriptor
	if v.opts.signed == nil {
		v.manifest.Descriptor = d
	}
	if v.manifest.Descriptor != d {
		return cli.UsageError("the file is not the one that %s describes: its SHA-256 is %x there, and %x here",
			v.opts.from, v.manifest.Descriptor.SHA256, d.SHA256)
	}
	o.Manifest = *v.manifest
	return nil
}
