// SPDX-License-Identifier: GPL-2.0-or-later

package recv

import (
	"cmp"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver/installed"
)

// trustOptions are the flags of recv that say whom to believe.
type trustOptions struct {
	trust       []string
	targets     []string
	components  []string
	minSequence uint64
	downgrade   bool
	state       string
	groupKeys   []string
}

func (o *trustOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.trust, "trust", nil, "public key `file`, or directory of *.pub files, repeatable: accept only files signed by one of these keys (default none: accept unsigned files)")
	flags.StringArrayVar(&o.targets, "target", nil, "`name` of this hardware, repeatable: refuse files signed for other hardware (default not checked)")
	flags.StringArrayVar(&o.components, "component", nil, "`name` of the product, repeatable: ignore files of others; - is for files that name none (default any; --follow keeps to that in the first file)")
	flags.Uint64Var(&o.minSequence, "min-sequence", 0, "refuse files signed with a lower sequence `number` (default 0: only what was installed last counts)")
	flags.BoolVar(&o.downgrade, "allow-downgrade", false, "accept a file older than what was installed last; with --follow, for the first file only")
	flags.StringVar(&o.state, "state", "", "`directory` that records what was installed last, with --trust or --exec (default /var/lib/iotupd for root, else ~/.local/state/iotupd)")
}

func (o *trustOptions) addGroupKeyFlag(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&o.groupKeys, "group-key", "k", nil, "group key `file`, repeatable: accept only packets encrypted with one of these keys (default none: not encrypted)")
}

func (o *trustOptions) validate() error {
	switch {
	case len(o.trust) > 0:
	case len(o.targets) > 0:
		return cli.UsageError("--target needs --trust: an unsigned file can claim to be for any hardware")
	case o.minSequence > 0:
		return cli.UsageError("--min-sequence needs --trust: an unsigned file can claim any sequence number")
	}
	return nil
}

// readGroupKeys returns the keys of the groups whose packets are taken.
func (o *trustOptions) readGroupKeys() (groupKeys []*seal.GroupKey, err error) {
	for _, path := range o.groupKeys {
		key, err := cli.ReadGroupKey(path)
		if err != nil {
			return nil, err
		}
		groupKeys = append(groupKeys, key)
	}
	return groupKeys, nil
}

// readTrusted returns the keys of --trust, and the names of the files that they
// are from.
func (o *trustOptions) readTrusted() (trusted []proto.PublicKey, names map[proto.KeyID]string, err error) {
	names = make(map[proto.KeyID]string)
	for _, path := range o.trust {
		keys, err := cli.ReadTrusted([]string{path})
		if err != nil {
			return nil, nil, err
		}
		for _, key := range keys {
			names[key.ID] = path
			if !slices.Contains(trusted, key) {
				trusted = append(trusted, key)
			}
		}
	}
	return trusted, names, nil
}

// stateDir returns where to remember what is installed; empty without --trust and
// --exec.
func (o *options) stateDir() (string, error) {
	dir := cmp.Or(o.state, installed.DefaultDir())
	switch {
	case dir != "":
	case len(o.trust) > 0:
		return "", cli.UsageError("--trust has no place to remember what is installed; name a directory by --state")
	case o.exec != "":
		return "", cli.UsageError("--exec has no place to record what is installed; name a directory by --state")
	}
	return dir, nil
}

// openSeeds opens the files of --reuse, so that a wrong name is reported at once.
func (o *options) openSeeds() (seeds []*os.File, err error) {
	for _, path := range o.reuse {
		if o.dir != "" && !o.all && isDirectory(path) {
			continue // see directories
		}
		f, err := openSeed(path)
		if err != nil {
			closeAll(seeds)
			return nil, err
		}
		seeds = append(seeds, f)
	}
	return seeds, nil
}

// openSeed opens a file of --reuse. What it is is looked at first: to open a
// pipe would wait for its writer.
func openSeed(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, cli.LocalError("--reuse "+path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, cli.UsageError("--reuse %s is not a regular file; directories are for -d DIR", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.LocalError("--reuse "+path, err)
	}
	return f, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
