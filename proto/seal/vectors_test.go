// SPDX-License-Identifier: GPL-2.0-or-later

package seal

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"iotupd/proto"
)

// A vector is a block of testdata/seal.txt, in the format of
// proto/testdata/README.md.
type vector map[string]string

func (v vector) hex(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(v[name]), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vectors(t *testing.T) (all []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/seal.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v, last := vector{}, ""
		for line := range strings.SplitSeq(block, "\n") {
			name, value, ok := strings.Cut(line, ":")
			switch {
			case line == "" || line[0] == '#':
			case line[0] == ' ':
				v[last] += line
			case ok:
				v[name], last = strings.TrimPrefix(value, " "), name
			default:
				t.Fatalf("not a name and a value: %q", line)
			}
		}
		if len(v) > 0 {
			all = append(all, v)
		}
	}
	return all
}

// groupOf checks and returns the group of a block with key-file.
func groupOf(t *testing.T, v vector) *GroupKey {
	t.Helper()
	key, err := ParseKey([]byte(v["key-file"]))
	if err != nil {
		t.Fatal(err)
	}
	g := NewGroupKey(key)
	if got := strconv.Itoa(int(g.Hint())); got != v["hint"] {
		t.Errorf("hint %s, want %s", got, v["hint"])
	}
	if want := v.hex(t, "id-key"); !bytes.Equal(g.idKey, want) {
		t.Errorf("K_id %x, want %x", g.idKey, want)
	}
	wire := g.Object(proto.ObjectID(v.hex(t, "object")))
	if got := wire.String(); got != v["wire"] {
		t.Errorf("keyed object id %s, want %s", got, v["wire"])
	}
	if got, want := derive(key, wire[:], "iotupd v1 object"), v.hex(t, "object-key"); !bytes.Equal(got, want) {
		t.Errorf("K_obj %x, want %x", got, want)
	}
	return g
}

func TestSealVectors(t *testing.T) {
	var g *GroupKey
	var c *Cipher
	for _, v := range vectors(t) {
		if v["key-file"] != "" {
			g = groupOf(t, v)
			c = g.Cipher(proto.ObjectID(v.hex(t, "wire")))
			continue
		}
		t.Run(v["name"], func(t *testing.T) {
			plain, want := v.hex(t, "plain"), v.hex(t, "sealed")
			got := sealAny(c, bytes.Clone(plain))
			proto.PutChecksum(got)
			if !bytes.Equal(got, want) {
				t.Errorf("Seal:\n got %x\nwant %x", got, want)
			}

			h, _, err := proto.Parse(want)
			if err != nil || !proto.ChecksumOK(want) {
				t.Fatalf("not a sound datagram: %v", err)
			}
			payload := plain[len(plain)-h.ShardSize:]
			opened, err := open(c, []byte("foo"), want)
			if !bytes.Equal(opened, append([]byte("foo"), payload...)) || err != nil {
				t.Errorf("Open: %v\n got %x\nwant %x", err, opened, payload)
			}
			if h.Type == proto.TypeManifest {
				m, err := proto.ParseManifestPayload(opened[len("foo"):])
				if err != nil {
					t.Fatal(err)
				}
				if g.Object(m.Descriptor.Object()) != h.Object {
					t.Error("the manifest is not of the object")
				}
			}
		})
	}
}
