// SPDX-License-Identifier: GPL-2.0-or-later

package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestKeyText(t *testing.T) {
	want := Key{0: 0xfb, 31: 0xff}
	text := "iotupd-group-key-v1 +wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=\n"
	if got := want.Text(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	for _, s := range []string{text, strings.TrimSuffix(text, "\n")} {
		if got, err := ParseKey([]byte(s)); got != want || err != nil {
			t.Errorf("ParseKey(%q): %v", s, err)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	key := Key{1, 2, 3}
	text := key.Text()
	line := strings.TrimSuffix(text, "\n")
	encoded := strings.TrimPrefix(line, keyPrefix)
	for name, s := range map[string]string{
		"nothing":                 "",
		"a newline":               "\n",
		"no prefix":               encoded,
		"another prefix":          "iotupd-group-key-v2 " + encoded,
		"upper case":              strings.ToUpper(line),
		"no space":                strings.Replace(line, " ", "", 1),
		"two spaces":              strings.Replace(line, " ", "  ", 1),
		"a tab":                   strings.Replace(line, " ", "\t", 1),
		"a space before":          " " + line,
		"a space behind":          line + " ",
		"two newlines":            text + "\n",
		"a carriage return":       line + "\r\n",
		"a line break inside":     line[:40] + "\n" + line[40:],
		"two keys":                text + text,
		"a comment":               "# key\n" + text,
		"a byte order mark":       "\ufeff" + text,
		"no padding":              strings.TrimRight(line, "="),
		"bits that do not count":  strings.Replace(line, "AA=", "AB=", 1),
		"the other alphabet":      keyPrefix + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"a letter that is none":   strings.Replace(line, "A", "!", 1),
		"31 bytes":                keyPrefix + base64.StdEncoding.EncodeToString(key[:31]),
		"33 bytes":                keyPrefix + base64.StdEncoding.EncodeToString(append(key[:], 0)),
		"hexadecimal digits":      keyPrefix + hex.EncodeToString(key[:]),
		"a key of something else": "untrusted comment: " + text,
	} {
		got, err := ParseKey([]byte(s))
		if err == nil || got != (Key{}) {
			t.Errorf("%s: %q was accepted", name, s)
		} else if strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	key := Key{0xab, 0xcd}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got, want := fmt.Sprintf(verb, key), "group key"; got != want {
			t.Errorf("%s: got %q, want %q", verb, got, want)
		}
	}
}

func TestNewKey(t *testing.T) {
	random := bytes.NewReader(bytes.Repeat([]byte{7}, 40))
	if key, err := NewKey(random); key != Key(bytes.Repeat([]byte{7}, 32)) || err != nil {
		t.Errorf("got another key, %v", err)
	}
	if key, err := NewKey(random); !errors.Is(err, io.ErrUnexpectedEOF) || key != (Key{}) {
		t.Errorf("too few bytes: got %v", err)
	}
	if _, err := NewKey(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want %v", err, io.ErrClosedPipe)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(Key{1, 2}.Text()))
	f.Add([]byte("iotupd-group-key-v1 "))
	f.Fuzz(func(t *testing.T, in []byte) {
		key, err := ParseKey(in)
		if err != nil {
			if key != (Key{}) {
				t.Errorf("%q: an error and a key", in)
			}
			return
		}
		if got := key.Text(); got != string(in) && got != string(in)+"\n" {
			t.Errorf("%q is written again as %q", in, got)
		}
	})
}
