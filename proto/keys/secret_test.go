// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"iotupd/proto"
)

// cheap costs nothing to try a password.
var cheap = scryptCost{operations: 1 << 15, memory: 1 << 15}

func TestASignatureCoversTheManifest(t *testing.T) {
	// "A signature is Ed25519 over "iotupd manifest v1\0" || body" spec.md 5.5
	one, two := Generate(), Generate()
	m := &proto.Manifest{Sequence: 7, Name: "fw.bin"}
	m.Signatures = append(m.Signatures, one.Sign(m))
	m.Signatures = append(m.Signatures, two.Sign(m))
	signed := m.AppendTo(nil)
	for _, key := range []proto.PublicKey{one.Public(), two.Public()} {
		if got := proto.Signers(signed, []proto.PublicKey{key}); len(got) != 1 {
			t.Errorf("%v did not sign: got %v", key.ID, got)
		}
	}
	other := Generate().Public()
	other.ID = one.ID
	if proto.Signers(signed, []proto.PublicKey{other}) != nil {
		t.Error("another key with the same id signed")
	}
}

func TestASecretKeySurvivesItsFile(t *testing.T) {
	key := Generate()
	for _, words := range []string{"", "secret words", strings.Repeat("long ", 1000)} {
		text := key.appendText([]byte("before"), []byte(words), cheap)
		text = bytes.TrimPrefix(text, []byte("before"))
		got, err := ParseSecretKey(text, password(words))
		if err != nil || got.ID != key.ID || !got.key.Equal(key.key) {
			t.Errorf("with a password of %d bytes: got %v, %v, want %v", len(words), got, err, key)
		}
	}
}

func TestAPasswordIsNeeded(t *testing.T) {
	text := Generate().appendText(nil, []byte("right"), cheap)
	if _, err := ParseSecretKey(text, password("wrong")); err != errPassword {
		t.Errorf("got %v, want %v", err, errPassword)
	}
	none := errors.New("no terminal")
	if _, err := ParseSecretKey(text, func() ([]byte, error) { return nil, none }); err != none {
		t.Errorf("got %v, want %v", err, none)
	}
}

func TestEachFileIsEncryptedAfresh(t *testing.T) {
	key := Generate()
	a, b := key.appendText(nil, []byte("words"), cheap), key.appendText(nil, []byte("words"), cheap)
	if bytes.Equal(a, b) {
		t.Error("two files have the same salt")
	}
}

func TestFilesOfOtherCode(t *testing.T) {
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	check(t, err)
	for line := range strings.Lines(string(readTestdata(t, "scrypt.txt"))) {
		var cost scryptCost
		var n, p uint64
		var words, file string
		_, err := fmt.Sscan(line, &cost.operations, &cost.memory, &n, &p, &words, &file)
		check(t, err)
		if gotN, gotP := cost.parameters(); gotN != n || gotP != p {
			t.Errorf("%s: got N %d, p %d, want %d, %d", words, gotN, gotP, n, p)
		}
		key, err := ParseSecretKey([]byte(commentPrefix+"made by other code\n"+file), password(words))
		if err != nil || key.ID != (proto.KeyID{0, 1, 2, 3, 4, 5, 6, 7}) || !bytes.Equal(key.key.Seed(), seed) {
			t.Errorf("%s: got %v, %v", words, key, err)
		}
	}
}

func TestAFileCannotAskForMuch(t *testing.T) {
	tests := []struct {
		cost scryptCost
		want error
	}{
		{minisignCost, nil},
		{scryptCost{1 << 26, 2 << 30}, nil},
		{scryptCost{1 << 27, 4 << 30}, errMemory},
		{scryptCost{1 << 63, 1 << 63}, errMemory},
		{scryptCost{1<<64 - 1, 1<<64 - 1}, errMemory},
		{scryptCost{1 << 28, 1 << 30}, nil},
		{scryptCost{1<<28 + 1, 1 << 30}, errOperations},
		{scryptCost{1 << 28, 1 << 10}, errMemory}, // of which p takes most
		{scryptCost{0, 1<<64 - 1}, nil},           // N follows from the work
	}
	for _, test := range tests {
		if err := test.cost.validate(); err != test.want {
			t.Errorf("%+v: got %v, want %v", test.cost, err, test.want)
		}
	}
	text := Generate().appendText(nil, nil, cheap)
	comment, raw, err := parseLines(text)
	check(t, err)
	copy(raw[kdfAt:], kdfScrypt)
	copy(raw[costAt:sealedAt], bytes.Repeat([]byte{0xff}, 16))
	if _, err := ParseSecretKey(appendLines(nil, comment, raw), noPassword(t)); err != errMemory {
		t.Errorf("got %v, want %v before anything else", err, errMemory)
	}
}

func TestDamagedSecretKeysAreRefused(t *testing.T) {
	key := Generate()
	comment, good, err := parseLines(key.AppendText(nil, nil))
	check(t, err)
	damage := map[string]func(raw []byte) []byte{
		"short":            func(raw []byte) []byte { return raw[:len(raw)-1] },
		"long":             func(raw []byte) []byte { return append(raw, 0) },
		"algorithm":        func(raw []byte) []byte { raw[0]++; return raw },
		"kdf":              func(raw []byte) []byte { raw[kdfAt]++; return raw },
		"checksum type":    func(raw []byte) []byte { raw[checksumAt]++; return raw },
		"id":               func(raw []byte) []byte { raw[sealedAt]++; return raw },
		"seed":             func(raw []byte) []byte { raw[sealedAt+8]++; return raw },
		"public key":       func(raw []byte) []byte { raw[sealedAt+40]++; return raw },
		"checksum":         func(raw []byte) []byte { raw[sealedAt+72]++; return raw },
		"without checksum": func(raw []byte) []byte { clear(raw[sealedAt+72:]); raw[sealedAt+40]++; return raw },
	}
	for name, do := range damage {
		raw := do(bytes.Clone(good))
		if _, err := ParseSecretKey(appendLines(nil, comment, raw), noPassword(t)); err != errSecret && err != errDamaged {
			t.Errorf("%s: got %v, want that it is refused", name, err)
		}
	}
	for _, text := range []string{
		"",
		encoding.EncodeToString(good) + "\n",
		commentPrefix + "\n" + encoding.EncodeToString(good) + "\n",
		string(AppendPublicKey(nil, key.Public())),
	} {
		if _, err := ParseSecretKey([]byte(text), noPassword(t)); err != errSecret {
			t.Errorf("%.30q: got %v, want %v", text, err, errSecret)
		}
	}
}

func TestASecretKeyDoesNotPrintItself(t *testing.T) {
	key := Generate()
	want := "secret key " + key.ID.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, key); got != want {
			t.Errorf("%s: got %q, want %q", verb, got, want)
		}
	}
	if got := fmt.Sprint(struct{ Key *SecretKey }{&key}); strings.Contains(got, fmt.Sprint(key.key[:4])) {
		t.Errorf("got %q", got)
	}
}

// A file with a password is refused before scrypt runs, unless it asks for
// little: the fuzzer looks for crashes, not for passwords.
func FuzzParseSecretKey(f *testing.F) {
	key := Generate()
	f.Add(key.AppendText(nil, nil))
	f.Add(key.appendText(nil, []byte("words"), cheap))
	f.Add(readTestdata(f, "plain.key"))
	f.Add(readTestdata(f, "encrypted.key"))
	f.Fuzz(func(t *testing.T, in []byte) {
		stop := errors.New("stop")
		key, err := ParseSecretKey(in, func() ([]byte, error) {
			_, raw, _ := parseLines(in)
			if cost := costOf(raw); cost.operations > 1<<16 || cost.memory > 1<<20 {
				return nil, stop
			}
			return []byte("words"), nil
		})
		if err != nil {
			return
		}
		again, err := ParseSecretKey(key.AppendText(nil, nil), noPassword(t))
		if err != nil || again.ID != key.ID || !again.key.Equal(key.key) {
			t.Errorf("%q: got %v, %v of its own text, want %v", in, again, err, key)
		}
	})
}
