// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"iotupd/cmd/iotupd/internal/cli"
	"iotupd/proto"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/receiver/installed"
)

// trustOptions are the flags of recv that say whom to believe.
type trustOptions struct {
	trust       []string
	targets     []string
	minSequence uint64
	downgrade   bool
	state       string
	groupKeys   []string
}

func (o *trustOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.trust, "trust", nil, "public key `file`, or directory of files *.pub, repeatable: receive only what one of these keys has signed")
	flags.StringArrayVar(&o.targets, "target", nil, "`name` of this hardware, repeatable: refuse what is signed for other hardware")
	flags.Uint64Var(&o.minSequence, "min-sequence", 0, "refuse what is signed with a lower sequence `number`")
	flags.BoolVar(&o.downgrade, "allow-downgrade", false, "take what is older than what was installed last, with --follow for the first file only")
	flags.StringVar(&o.state, "state", "", "`directory` to remember in what was installed last, with --trust (default /var/lib/iotupd for root, else ~/.local/state/iotupd)")
	flags.StringSliceVarP(&o.groupKeys, "group-key", "k", nil, "key `file` of a group, repeatable: receive only what is sealed with one of these keys")
	cli.Under(flags, "Trust")
}

func (o *trustOptions) validate() error {
	switch {
	case len(o.trust) > 0:
	case len(o.targets) > 0:
		return cli.UsageError("--target needs --trust: what is not signed may claim to be for any hardware")
	case o.minSequence > 0:
		return cli.UsageError("--min-sequence needs --trust: what is not signed may claim to be of any sequence number")
	}
	return nil
}

// readGroupKeys returns the groups whose packets are taken.
func (o *trustOptions) readGroupKeys() (groups []*seal.GroupKey, err error) {
	for _, path := range o.groupKeys {
		g, err := cli.ReadGroupKey(path)
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// A trust is whom a receiver believes, and what it has installed of theirs. Nil
// believes everybody, and remembers nothing.
type trust struct {
	policy receiver.Policy
	names  map[proto.KeyID]string // of the files that the keys are from
	memory *installed.Memory
}

// open returns what --trust asks for, nil if nothing.
func (o *trustOptions) open(channel string) (*trust, error) {
	if len(o.trust) == 0 {
		return nil, nil
	}
	t := &trust{names: make(map[proto.KeyID]string)}
	for _, path := range o.trust {
		keys, err := cli.ReadTrusted([]string{path})
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			t.names[key.ID] = path
			if !slices.Contains(t.policy.Keys, key) {
				t.policy.Keys = append(t.policy.Keys, key)
			}
		}
	}
	dir := o.state
	if dir == "" {
		dir = installed.DefaultDir()
	}
	if dir == "" {
		return nil, cli.UsageError("--trust has no place to remember what is installed; name a directory by --state")
	}
	var err error
	if t.memory, err = installed.Open(dir, channel, t.policy.Keys); err != nil {
		return nil, fmt.Errorf("--state %w", err)
	}
	t.memory.AllowDowngrade = o.downgrade
	t.policy.Channel, t.policy.Targets = channel, o.targets
	t.policy.MinSequence, t.policy.AllowDowngrade = o.minSequence, o.downgrade
	if t.policy.Installed, err = t.memory.Releases(); err != nil {
		t.close()
		return nil, memoryError(err)
	}
	return t, nil
}

// signedBy says who signed, for a person.
func (t *trust) signedBy(signers []proto.PublicKey) string {
	var names []string
	for _, key := range signers {
		names = append(names, fmt.Sprintf("%v (%s)", key.ID, t.names[key.ID]))
	}
	return "signed by " + strings.Join(names, ", ")
}

// installed remembers that what m describes is installed now.
func (t *trust) installed(m *proto.Manifest, signers []proto.PublicKey) error {
	if t == nil {
		return nil
	}
	return memoryError(t.memory.Record(signers, receiver.Release{Sequence: m.Sequence, Object: m.Descriptor.Object()}))
}

// memoryError says what to do about a damaged memory.
func memoryError(err error) error {
	if errors.As(err, new(*installed.DamagedError)) {
		return fmt.Errorf("%w: find out which one is installed, remove the file, and give --min-sequence once", err)
	}
	return err
}

// onlyNewer refuses from now on all but what is newer than m, be a downgrade
// allowed or not: no object has the id zero, so that nothing of the same sequence
// will do.
func (t *trust) onlyNewer(m *proto.Manifest) {
	t.policy.AllowDowngrade, t.memory.AllowDowngrade = false, false
	for _, key := range t.policy.Keys {
		t.policy.Installed[key.ID] = receiver.Release{Sequence: m.Sequence}
	}
}

func (t *trust) close() {
	if t != nil {
		t.memory.Close()
	}
}
