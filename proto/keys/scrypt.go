// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"crypto/subtle"
	"errors"

	"golang.org/x/crypto/scrypt"
)

// A scryptCost says how dear it is to try a password, in the terms of
// libsodium, from which [scryptCost.parameters] follow.
type scryptCost struct {
	operations uint64
	memory     uint64 // bytes
}

// minisignCost is what minisign writes.
var minisignCost = scryptCost{operations: 1 << 25, memory: 1 << 30}

// Limits of what a key file may ask for: twice the memory and eight times the
// work of what minisign writes.
const (
	maxMemory     = 2 << 30
	maxOperations = 1 << 28
)

var (
	errMemory     = errors.New("the key file asks for more than 2 GiB of memory to try its password; rewrite it with minisign -C")
	errOperations = errors.New("the key file asks for too much work to try its password; rewrite it with minisign -C")
)

const (
	scryptR        = 8 // in units of 128 bytes
	scryptBlockLen = 128 * scryptR
	minOperations  = 1 << 15
)

// parameters returns N and p of scrypt, as libsodium chooses them. Where p would
// be zero, libsodium uses one, and so does this function.
func (c scryptCost) parameters() (n, p uint64) {
	operations := max(c.operations, minOperations)
	few := operations < c.memory/32
	largest := c.memory / scryptBlockLen
	if few {
		largest = operations / (4 * scryptR)
	}
	for n = 2; n <= largest/2; n *= 2 {
	}
	if few {
		return n, 1
	}
	return n, max(1, operations/4/n/scryptR)
}

// validate refuses what would take too much memory or time.
func (c scryptCost) validate() error {
	const most = maxMemory / scryptBlockLen
	n, p := c.parameters()
	switch {
	case n > most || p > most: // of which N*p lets only one be large
		return errMemory
	case c.operations > maxOperations:
		return errOperations
	}
	return nil
}

// xor encrypts or decrypts b, which is short, in place. The cost is valid.
func (c scryptCost) xor(b, password, salt []byte) {
	n, p := c.parameters()
	stream, err := scrypt.Key(password, salt, int(n), scryptR, int(p), len(b))
	if err != nil {
		panic("keys: internal error: " + err.Error())
	}
	subtle.XORBytes(b, b, stream)
}
