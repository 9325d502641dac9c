// SPDX-License-Identifier: GPL-2.0-or-later

// Package encode holds what send and sign have in common: the flags that say how
// a file is encoded, and the view of its preparation.
package encode

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/fec"
	"iotupd/internal/durable"
	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/sender"
)

// Options are the flags that say how a file is encoded, the same for send
// and sign. The shape of the object follows from them and from the file alone.
type Options struct {
	Parity    string
	Profile   string
	ShardSize int
	Digest    string
	Memory    quantity.Size
	Cache     string
}

var profiles = []string{fec.Standard.String(), fec.Tiny.String(), fec.Large.String(), fec.Fast.String()}

var digestChoices = []string{"on", "off"}

func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Parity, "parity", "auto", "parity in `percent` of the data, 0% to 300%")
	flags.StringVar(&o.Profile, "profile", "standard", "`kind` of groups: standard, tiny for receivers with little memory, large for slow lossy links, fast for links above 1 Gbit/s")
	flags.IntVar(&o.ShardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64: 1152 fits any network, 1344 an MTU of 1500")
	flags.StringVar(&o.Digest, "digest", "on", "`on` for receivers to verify every packet, or off")
	o.Memory = sender.DefaultMemory
	flags.Var(&o.Memory, "memory", "parity and digests to keep in memory; what does not fit goes to a temporary file")
	flags.StringVar(&o.Cache, "cache", "", "`directory` to keep parity and digests in for the next time (default none)")
	cli.Under(flags, "Forward error correction")
}

func (o *Options) Completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"profile": cli.OneOf(profiles...),
		"digest":  cli.OneOf(digestChoices...),
		"cache":   cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
}

func (o *Options) Validate() error {
	switch {
	case !slices.Contains(digestChoices, o.Digest):
		return cli.UsageError("--digest %q: want %s", o.Digest, cli.Choice(digestChoices))
	case o.Cache != "" && o.Digest == "off":
		return cli.UsageError("--cache needs digests, by which it is verified: leave out --digest off")
	}
	_, err := o.policy()
	return cmp.Or(CheckShardSize(o.ShardSize), err)
}

// CheckShardSize reports what --shard-size makes impossible.
func CheckShardSize(n int) error {
	if n < proto.MinShardSize || n > proto.MaxShardSize || n%proto.ShardUnit != 0 {
		return cli.UsageError("--shard-size %d: want a multiple of %d, from %d to %d", n, proto.ShardUnit, proto.MinShardSize, proto.MaxShardSize)
	}
	return nil
}

func (o *Options) policy() (p fec.Policy, err error) {
	if p.Profile, err = fec.ParseProfile(o.Profile); err != nil {
		return p, cli.UsageError("--profile %q: want %s", o.Profile, cli.Choice(profiles))
	}
	p.ShardSize = o.ShardSize
	if o.Parity == "auto" {
		return p, nil
	}
	parity, err := quantity.ParsePercent(o.Parity)
	switch {
	case err != nil:
		return p, cli.UsageError("--parity: %w", err)
	case parity > fec.MaxParity:
		return p, cli.UsageError("--parity %v: want auto, or 0%% to %v", parity, quantity.Percent(fec.MaxParity))
	case parity == 0:
		p.Parity = -1
	default:
		p.Parity = int(parity)
	}
	return p, nil
}

// Params chooses the parameters of a file of so many bytes.
func (o *Options) Params(size int64) (proto.Params, error) {
	policy, err := o.policy()
	if err != nil {
		return proto.Params{}, err
	}
	params, err := policy.Params(uint64(size))
	if err != nil {
		return params, cli.UsageError("%s", strings.TrimPrefix(err.Error(), fec.ErrPolicy.Error()+": "))
	}
	return params, nil
}

// SentName returns the name that receivers are told of a file: that of the flag
// --name, or its own.
func SentName(path, flag string) (string, error) {
	name := cmp.Or(flag, filepath.Base(path))
	if err := proto.CheckName(name); err != nil {
		return "", cli.UsageError("%w; give it another one by --name", err)
	}
	return name, nil
}

// checkTree reports shards that are too small for digests of this file.
func (o *Options) checkTree(geo proto.Geometry) error {
	if _, err := geo.Tree(); o.Digest == "off" || err == nil {
		return nil
	}
	for s := geo.ShardSize + proto.ShardUnit; s <= proto.MaxShardSize; s += proto.ShardUnit {
		policy, err := o.policy()
		if err != nil {
			return err
		}
		policy.ShardSize = s
		params, err := policy.Params(geo.Size)
		if err != nil {
			continue
		}
		if larger, err := params.Geometry(); err == nil {
			if _, err := larger.Tree(); err == nil {
				return cli.UsageError("--shard-size %d is too small for digests of a file of %v: use %d or more, or --digest off",
					geo.ShardSize, quantity.Size(geo.Size), s)
			}
		}
	}
	return cli.UsageError("there are no digests for groups of %d+%d shards: use --digest off", geo.K, geo.M)
}

// A Preparation encodes a file, and shows how far it is.
type Preparation struct {
	encode Options
	Out    *cli.Output
	Geo    proto.Geometry

	Prepared time.Duration // that it took
}

// NewPreparation refuses what cannot be encoded.
func NewPreparation(opts Options, p proto.Params, out *cli.Output) (Preparation, error) {
	geo, err := p.Geometry()
	if err != nil {
		return Preparation{}, cli.UsageError("%w", err)
	}
	return Preparation{encode: opts, Out: out, Geo: geo}, opts.checkTree(geo)
}

// Prepare encodes the file, or takes what --cache has of it. The object is
// good until release is called, which is never nil.
func (p *Preparation) Prepare(ctx context.Context, src *Source) (o *sender.Object, release func(), err error) {
	begin := time.Now()
	defer func() { p.Prepared = time.Since(begin) }()
	cfg := p.encode.PrepareConfig()
	cfg.Progress = p.preparing
	if p.encode.Cache != "" {
		if o, release, err = p.prepareCached(ctx, src, cfg); o != nil {
			return o, release, nil
		}
	}
	release = func() {}
	if err != nil {
		return nil, release, err
	}
	cfg.Scratch = func(size int64) (sender.Scratch, error) {
		f, remove, err := durable.Scratch(size)
		if err != nil {
			return nil, err
		}
		release = remove
		return scratchFile{File: f}, nil
	}
	if o, err = sender.Prepare(ctx, src, p.Geo.Params, cfg); err == nil {
		err = src.Check()
	}
	return o, release, cli.ByItself(err)
}

func (o *Options) PrepareConfig() sender.PrepareConfig {
	return sender.PrepareConfig{
		Memory:         max(1, int64(o.Memory)), // zero would be the default
		WithoutDigests: o.Digest == "off",
	}
}

// preparing shows the progress of encoding.
func (p *Preparation) preparing(fraction float64) {
	if p.Out.JSON == nil && p.Out.ProgressDue(time.Now()) {
		p.Out.ProgressLine(fmt.Sprintf(" preparing %d%%", int(100*fraction)))
	}
}
