// SPDX-License-Identifier: GPL-2.0-or-later

package fec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"iotupd/proto"
)

// A Profile says for which receivers the groups of an object are made.
type Profile uint8

const (
	Standard Profile = iota // nearest to the least that has to be sent
	Tiny                    // receivers with a few MiB of RAM
	Large                   // slow lossy links and big machines
	Fast                    // links above 1 Gbit/s with little loss
)

var profileNames = [...]string{"standard", "tiny", "large", "fast"}

// String returns the name that [ParseProfile] takes.
func (f Profile) String() string {
	if int(f) < len(profileNames) {
		return profileNames[f]
	}
	return fmt.Sprintf("profile %d", uint8(f))
}

// ParseProfile returns the profile called name.
func ParseProfile(name string) (Profile, error) {
	for i, n := range profileNames {
		if n == name {
			return Profile(i), nil
		}
	}
	return 0, fmt.Errorf("%w: no profile %q: choose one of %s",
		ErrPolicy, name, strings.Join(profileNames[:], ", "))
}

// MaxParity is the highest [Policy.Parity]: 300 percent.
const MaxParity = 30000

// ErrPolicy is wrapped by every error of [ParseProfile] and [Policy.Params]:
// the user asked for something that cannot be.
var ErrPolicy = errors.New("fec: invalid policy")

// A Policy chooses the parameters of an object from its size alone, so that
// all senders of a file choose the same. The zero value is the usual choice.
type Policy struct {
	Profile Profile

	// Parity is the number of parity shards in 1/100 percent of the data
	// shards, rounded up to whole shards. If zero, the profile decides. If
	// negative, there is none.
	Parity int

	// ShardSize is in bytes. If zero, [proto.DefaultShardSize] is used.
	ShardSize int
}

// Params returns the parameters of a file of size bytes. A file of a single shard
// never has parity: repeating the shard itself has the same effect.
func (p Policy) Params(size uint64) (proto.Params, error) {
	if int(p.Profile) >= len(profileNames) {
		return proto.Params{}, fmt.Errorf("%w: there is no %v", ErrPolicy, p.Profile)
	}
	if p.Parity > MaxParity {
		return proto.Params{}, fmt.Errorf("%w: parity %s is more than %s",
			ErrPolicy, percent(p.Parity), percent(MaxParity))
	}
	q := proto.Params{K: 1, ShardSize: p.ShardSize}
	if q.ShardSize == 0 {
		q.ShardSize = proto.DefaultShardSize
	}
	if err := q.Validate(); err != nil { // of an empty file: only the shard size can be wrong
		return proto.Params{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}

	q.Size = size
	shards := max(1, ceilDiv(size, uint64(q.ShardSize)))
	q.Code, q.K, q.M = p.Profile.layout(shards, size)
	if shards > 1 && p.Parity != 0 {
		var err error
		if q.Code, q.M, err = parity(q.Code, q.K, p.Parity); err != nil {
			return proto.Params{}, err
		}
	}
	if err := q.Validate(); err != nil {
		return proto.Params{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return q, nil
}

// layout is the table of parameters in spec.md for a file of so many shards and bytes.
//
// A bigger group needs fewer packets and takes longer to decode; more parity
// bears more loss and takes longer to encode.
func (f Profile) layout(shards, size uint64) (code proto.Code, k, m int) {
	const huge = 1 << 30
	switch {
	case shards == 1:
		return proto.CodeNone, 1, 0
	case f == Tiny && size <= huge:
		return proto.CodeLeopard8, equalGroups(shards, 128), 128
	case f == Tiny || f == Fast:
		return proto.CodeLeopard8, equalGroups(shards, 192), 64
	case shards <= 128:
		return proto.CodeLeopard8, int(shards), 128
	}
	maxK, hugeK := uint64(8192), uint64(6144)
	if f == Large {
		maxK, hugeK = 32768, 16384
	}
	switch {
	case shards <= 4096:
		k = int(shards)
		m = 2 * ceilPow2(k)
	case shards <= maxK:
		k = int(shards)
		m = ceilPow2(k)
	case size <= huge:
		k = equalGroups(shards, maxK)
		m = k
	default:
		k = equalGroups(shards, hugeK)
		m = k / 3
	}
	return proto.CodeLeopard16, k, m
}

// parity returns the code and M for k data shards and the asked parity, in
// 1/100 percent and not zero.
func parity(code proto.Code, k, asked int) (proto.Code, int, error) {
	if asked < 0 {
		return proto.CodeNone, 0, nil
	}
	m := (k*asked + 9999) / 10000
	if !code.Fits(k, m) {
		highest := min(MaxParity, maxM(code, k)*10000/k)
		return 0, 0, fmt.Errorf("%w: parity %s is too much for groups of %d shards: the highest possible is %s",
			ErrPolicy, percent(asked), k, percent(highest))
	}
	return code, m, nil
}

// maxM returns the greatest number of parity shards for k data shards: a power
// of two, because only that of M counts in the limit of the code.
func maxM(code proto.Code, k int) int {
	m := 1 << 15
	for m > 0 && !code.Fits(k, m) {
		m /= 2
	}
	return m
}

// equalGroups returns K such that the shards fill the fewest groups of at most
// most shards about equally.
func equalGroups(shards, most uint64) int {
	return int(ceilDiv(shards, ceilDiv(shards, most)))
}

// ceilDiv is a/b rounded up; it does not overflow.
func ceilDiv(a, b uint64) uint64 {
	if a%b != 0 {
		return a/b + 1
	}
	return a / b
}

// percent formats hundredths of a percent.
func percent(hundredths int) string {
	return strconv.FormatFloat(float64(hundredths)/100, 'g', -1, 64) + " %"
}
