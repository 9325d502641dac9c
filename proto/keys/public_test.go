// SPDX-License-Identifier: GPL-2.0-or-later

package keys

import (
	"strings"
	"testing"

	"iotupd/proto"
)

func TestAPublicKeyIsAFileOrALine(t *testing.T) {
	want := proto.PublicKey{ID: proto.KeyID{1, 2, 3, 4, 5, 6, 7, 8}, Key: [32]byte{9}}
	file := string(AppendPublicKey(nil, want))
	lines := strings.SplitAfter(file, "\n")
	line := strings.TrimSpace(lines[1])
	tests := map[string]string{ // to comment
		file:                                   "iotupd public key 0102030405060708",
		strings.TrimSuffix(file, "\n"):         "iotupd public key 0102030405060708",
		strings.ReplaceAll(file, "\n", "\r\n"): "iotupd public key 0102030405060708",
		commentPrefix + "für Geräte\n" + line:  "für Geräte",
		commentPrefix + "\n" + line:            "",
		line:                                   "",
		line + "\n":                            "",
		line + "\r\n":                          "",
	}
	for text, wantComment := range tests {
		if got, comment, err := ParsePublicKey([]byte(text)); err != nil || got != want || comment != wantComment {
			t.Errorf("%q: got %v, comment %q, error %v", text, got, comment, err)
		}
	}
}

func TestMalformedPublicKeysAreRefused(t *testing.T) {
	key := Generate()
	file := string(AppendPublicKey(nil, key.Public()))
	comment, line, _ := strings.Cut(strings.TrimSpace(file), "\n")
	raw, err := encoding.DecodeString(line)
	check(t, err)
	tests := map[string]string{
		"empty":                "",
		"blank":                "\n",
		"comment only":         comment + "\n",
		"comment of its own":   "trusted comment: x\n" + line,
		"control characters":   commentPrefix + "\x1b[2J\n" + line,
		"no UTF-8":             commentPrefix + "\xff\n" + line,
		"third line":           file + "more\n",
		"blank line":           file + "\n",
		"two keys":             file + file,
		"space":                line + " ",
		"split":                line[:20] + "\n" + line[20:],
		"split by a return":    line[:20] + "\r" + line[20:],
		"not base64":           "*" + line[1:],
		"short":                encoding.EncodeToString(raw[:len(raw)-1]),
		"long":                 encoding.EncodeToString(append(raw, 0)),
		"of another algorithm": encoding.EncodeToString(append([]byte("ED"), raw[2:]...)),
		"secret":               string(key.AppendText(nil, nil)),
	}
	for name, text := range tests {
		if got, _, err := ParsePublicKey([]byte(text)); err != errPublic || got != (proto.PublicKey{}) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, errPublic)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(AppendPublicKey(nil, Generate().Public()))
	f.Add(readTestdata(f, "plain.pub"))
	f.Fuzz(func(t *testing.T, in []byte) {
		key, comment, err := ParsePublicKey(in)
		if err != nil {
			return
		}
		raw := append([]byte(algorithm), key.ID[:]...)
		text := appendLines(nil, comment, append(raw, key.Key[:]...))
		again, sameComment, err := ParsePublicKey(text)
		if err != nil || again != key || sameComment != comment {
			t.Errorf("%q: got %v, %q, %v of its own text", in, again, sameComment, err)
		}
		if !strings.Contains(string(in), strings.Split(string(text), "\n")[1]) {
			t.Errorf("%q has another base64 than %q", in, text)
		}
	})
}
