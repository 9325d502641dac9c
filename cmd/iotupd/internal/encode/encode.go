// SPDX-License-Identifier: GPL-2.0-or-later

// Package encode holds what send and sign have in common: the flags that say how
// a file is encoded, and the view of its preparation.
package encode

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/cmd/iotupd/internal/cobra"
	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/fec"
	"iotupd/internal/quantity"
	"iotupd/internal/reason"
	"iotupd/proto"
	"iotupd/sender"
	"iotupd/sender/filesource"
)

// Options are the flags that say how a file is encoded, the same for send
// and sign. The shape of the object follows from them and from the file alone.
type Options struct {
	Parity    string // in percent, or auto
	Profile   string
	ShardSize int           // bytes
	ForMemory quantity.Size // of receivers; zero: Profile counts
	Digest    string        // on or off
	Memory    quantity.Size
	Cache     string // directory; empty: none
}

var profiles = []string{fec.Standard.String(), fec.Tiny.String(), fec.Large.String(), fec.Fast.String()}

var digestChoices = []string{"on", "off"}

// AddFlags declares the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Parity, "parity", "auto", "parity to send, in `percent` of the data, 0% to 300%; auto: by --profile and the size of the file")
	flags.StringVar(&o.Profile, "profile", "standard", "`kind` of FEC groups: standard; tiny for receivers with little memory; large for slow lossy links; fast for more than 1 Gbit/s")
	flags.Var(&o.ForMemory, "for-memory", "choose the best --profile that receivers with this much memory can decode")
	flags.IntVar(&o.ShardSize, "shard-size", proto.DefaultShardSize, "payload `bytes` of a packet, a multiple of 64: 1152 fits any network, 1344 an MTU of 1500, 1408 that over IPv4 without --group-key")
	flags.StringVar(&o.Digest, "digest", "on", "send hashes by which receivers verify every packet: `on` or off")
	o.Memory = sender.DefaultMemory
	flags.Var(&o.Memory, "memory", "memory for parity and digests; the rest goes to a temporary file")
	flags.StringVar(&o.Cache, "cache", "", "`directory` that keeps parity and digests for the next time that this file is sent or signed (default none)")
}

// Completions says how the shell completes their values.
func (o *Options) Completions() map[string]cobra.CompletionFunc {
	return map[string]cobra.CompletionFunc{
		"profile": cli.OneOf(profiles...),
		"digest":  cli.OneOf(digestChoices...),
		"cache":   cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
	}
}

// Validate reports values that make no sense.
func (o *Options) Validate() error {
	switch {
	case !slices.Contains(digestChoices, o.Digest):
		return cli.UsageError("--digest %q: want %s", o.Digest, cli.Choice(digestChoices))
	case o.Cache != "" && o.Digest == "off":
		return cli.UsageError("--cache needs digests, by which it is verified: leave out --digest off")
	}
	if o.ForMemory != 0 && o.Profile != fec.Standard.String() {
		return cli.UsageError("--for-memory chooses the profile: leave out --profile")
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

// Policy says what groups the flags ask for, for a file of so many bytes.
func (o *Options) Policy(size int64) (fec.Policy, error) {
	p, err := o.policy()
	if err != nil || o.ForMemory == 0 {
		return p, err
	}
	least := quantity.Size(0)
	for _, p.Profile = range []fec.Profile{fec.Standard, fec.Tiny} {
		params, err := p.Params(uint64(size))
		if err != nil {
			return p, PolicyError(err)
		}
		if least, _ = describe.ReceiversNeed(params); least <= o.ForMemory {
			return p, nil
		}
	}
	return p, cli.UsageError("--for-memory %v: receivers of a file of %v need at least %v", o.ForMemory, quantity.Size(size), least)
}

// policy is what the flags say for a file of any size.
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
	policy, err := o.Policy(size)
	if err != nil {
		return proto.Params{}, err
	}
	params, err := policy.Params(uint64(size))
	if err != nil {
		return params, PolicyError(err)
	}
	return params, nil
}

// PolicyError says without its prefix what fec refuses.
func PolicyError(err error) error {
	return cli.UsageError("%s", strings.TrimPrefix(err.Error(), fec.ErrPolicy.Error()+": "))
}

// CheckFile refuses what cannot be sent, by its path alone.
func CheckFile(path string) error {
	if path == "-" {
		return cli.UsageError("stdin cannot be sent, since a file is read many times; save it first")
	}
	return nil
}

// NameError says what to do about a name that a manifest cannot have.
func NameError(err error) error { return cli.UsageError("%w; give it another one by --name", err) }

// CheckTree reports shards that are too small for digests of this file.
func (o *Options) CheckTree(geo proto.Geometry) error {
	if _, err := geo.Tree(); o.Digest == "off" || err == nil {
		return nil
	}
	for s := geo.ShardSize + proto.ShardUnit; s <= proto.MaxShardSize; s += proto.ShardUnit {
		policy, err := o.Policy(int64(geo.Size))
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

// CheckGeometry refuses what cannot be encoded.
func (o *Options) CheckGeometry(p proto.Params) error {
	geo, err := p.Geometry()
	if err != nil {
		return cli.UsageError("%w", err)
	}
	return o.CheckTree(geo)
}

// Prepare says how a file is prepared.
func (o *Options) Prepare() filesource.Config {
	return filesource.Config{
		Memory:         max(1, int64(o.Memory)), // zero would be the default
		WithoutDigests: o.Digest == "off",
		Cache:          o.Cache,
	}
}

// ShowCached says what the cache was good for.
func ShowCached(out *cli.Output, u filesource.CacheUse) {
	switch u.Outcome {
	case filesource.CacheHit:
		out.Decision("prepared before: %s has it", u.Dir)
	case filesource.CacheFresh:
		out.Decision("not kept in %s: %s changed just now, and may again", u.Dir, u.Path)
	case filesource.CacheMiss:
		out.Decision("%s has nothing for this: %v", u.Dir, u.Err)
	case filesource.CacheRepaired:
		out.Warn(cli.Warning{Code: reason.SendCache, Text: fmt.Sprintf("--cache %s: corrupted data for %s were found, and encoded again from the file; check the disk", u.Dir, u.Path)})
	case filesource.CacheFailed:
		out.Warn(cli.Warning{Code: reason.SendCache, Text: fmt.Sprintf("--cache %s cannot be used: %v", u.Dir, u.Err)})
	}
}
