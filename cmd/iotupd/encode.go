// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"fmt"
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

// encodeOptions are the flags that say how a file is encoded, the same for send
// and sign. The shape of the object follows from them and from the file alone.
type encodeOptions struct {
	parity    string
	profile   string
	shardSize int
	digest    string
	memory    quantity.Size
	cache     string
}

var profiles = []string{fec.Standard.String(), fec.Tiny.String(), fec.Large.String(), fec.Fast.String()}

var digestChoices = []string{"on", "off"}

func (o *encodeOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.parity, "parity", "auto", "parity in `percent` of the data, 0% to 300%")
	flags.StringVar(&o.profile, "profile", "standard", "`kind` of groups: standard, tiny for receivers with little memory, large for slow lossy links, fast for links above 1 Gbit/s")
	flags.IntVar(&o.shardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64: 1152 fits any network, 1344 an MTU of 1500")
	flags.StringVar(&o.digest, "digest", "on", "`on` for receivers to verify every packet, or off")
	o.memory = sender.DefaultMemory
	flags.Var(&o.memory, "memory", "parity and digests to keep in memory; what does not fit goes to a temporary file")
	flags.StringVar(&o.cache, "cache", "", "`directory` to keep parity and digests in for the next time (default none)")
	cli.Under(flags, "Forward error correction")
}

func (o *encodeOptions) completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"profile": cli.OneOf(profiles...),
		"digest":  cli.OneOf(digestChoices...),
		"cache":   cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
}

func (o *encodeOptions) validate() error {
	switch {
	case !slices.Contains(digestChoices, o.digest):
		return cli.UsageError("--digest %q: want %s", o.digest, cli.Choice(digestChoices))
	case o.cache != "" && o.digest == "off":
		return cli.UsageError("--cache needs digests, by which it is verified: leave out --digest off")
	}
	_, err := o.policy()
	return cmp.Or(checkShardSize(o.shardSize), err)
}

// checkShardSize reports what --shard-size makes impossible.
func checkShardSize(n int) error {
	if n < proto.MinShardSize || n > proto.MaxShardSize || n%proto.ShardUnit != 0 {
		return cli.UsageError("--shard-size %d: want a multiple of %d, from %d to %d", n, proto.ShardUnit, proto.MinShardSize, proto.MaxShardSize)
	}
	return nil
}

func (o *encodeOptions) policy() (p fec.Policy, err error) {
	if p.Profile, err = fec.ParseProfile(o.profile); err != nil {
		return p, cli.UsageError("--profile %q: want %s", o.profile, cli.Choice(profiles))
	}
	p.ShardSize = o.shardSize
	if o.parity == "auto" {
		return p, nil
	}
	parity, err := quantity.ParsePercent(o.parity)
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

// params chooses the parameters of a file of so many bytes.
func (o *encodeOptions) params(size int64) (proto.Params, error) {
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

// checkTree reports shards that are too small for digests of this file.
func (o *encodeOptions) checkTree(geo proto.Geometry) error {
	if _, err := geo.Tree(); o.digest == "off" || err == nil {
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

// A preparation encodes a file, and shows how far it is.
type preparation struct {
	encode encodeOptions
	out    *cli.Output
	geo    proto.Geometry

	prepared time.Duration // that it took
}

// newPreparation refuses what cannot be encoded.
func newPreparation(opts encodeOptions, p proto.Params, out *cli.Output) (preparation, error) {
	geo, err := p.Geometry()
	if err != nil {
		return preparation{}, cli.UsageError("%w", err)
	}
	return preparation{encode: opts, out: out, geo: geo}, opts.checkTree(geo)
}

// prepare encodes the file, or takes what --cache has of it. The object is
// good until release is called, which is never nil.
func (p *preparation) prepare(ctx context.Context, src *sourceFile) (o *sender.Object, release func(), err error) {
	begin := time.Now()
	defer func() { p.prepared = time.Since(begin) }()
	cfg := p.encode.prepareConfig()
	cfg.Progress = p.preparing
	if p.encode.cache != "" {
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
	if o, err = sender.Prepare(ctx, src, p.geo.Params, cfg); err == nil {
		err = src.check()
	}
	return o, release, cli.ByItself(err)
}

func (o *encodeOptions) prepareConfig() sender.PrepareConfig {
	return sender.PrepareConfig{
		Memory:         max(1, int64(o.memory)), // zero would be the default
		WithoutDigests: o.digest == "off",
	}
}

// preparing shows the progress of encoding.
func (p *preparation) preparing(fraction float64) {
	if p.out.JSON == nil && p.out.ProgressDue(time.Now()) {
		p.out.ProgressLine(fmt.Sprintf(" preparing %d%%", int(100*fraction)))
	}
}
