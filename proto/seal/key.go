// SPDX-License-Identifier: GPL-2.0-or-later

package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Key is the secret of a group key: 32 random bytes that its senders and
// receivers share (spec.md 9). [NewGroupKey] makes a [GroupKey] of it. Printing one by fmt does not show it.
type Key [32]byte

// keyPrefix starts the line of a key file.
const keyPrefix = "iotupd-group-key-v1 "

// errKey never says what was read: half a key is a secret as well.
var errKey = errors.New("not a group key: want one line, " + keyPrefix + "and the base64 of 32 bytes")

// NewKey draws a key from random, which should be [crypto/rand.Reader].
func NewKey(random io.Reader) (k Key, err error) {
	if _, err := io.ReadFull(random, k[:]); err != nil {
		return Key{}, fmt.Errorf("draw a group key: %w", err)
	}
	return k, nil
}

// ParseKey reads the text of a key file: what [Key.Text] wrote, with or without
// its newline, and nothing else.
func ParseKey(text []byte) (Key, error) {
	line := strings.TrimSuffix(string(text), "\n")
	encoded, ok := strings.CutPrefix(line, keyPrefix)
	if !ok {
		return Key{}, errKey
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(b) != len(Key{}) {
		return Key{}, errKey
	}
	// The decoder passes over line breaks and over bits that do not count.
	if k := Key(b); k.Text() == line+"\n" {
		return k, nil
	}
	return Key{}, errKey
}

// Text returns the content of a key file: one line, newline included.
func (k Key) Text() string {
	return keyPrefix + base64.StdEncoding.EncodeToString(k[:]) + "\n"
}

// Format keeps keys out of logs, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, "group key") }
