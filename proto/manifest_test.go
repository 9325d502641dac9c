// SPDX-License-Identifier: GPL-2.0-or-later

package proto

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func exampleManifest() *Manifest {
	return &Manifest{
		Descriptor: Descriptor{Params: Params{Code: CodeLeopard8, K: 9, M: 128, ShardSize: 1152, Size: 10000}},
		Name:       "fw.bin",
	}
}

// payloadOf makes the payload that carries an encoded manifest, valid or not.
func payloadOf(enc []byte, size int) []byte {
	id := manifestID(enc)
	b := append(id[:], enc...)
	return append(b, make([]byte, size-len(b))...)
}

// withFields encodes a manifest without signatures whose fields are tlvs.
func withFields(tlvs ...byte) []byte {
	enc := (&Manifest{Descriptor: exampleManifest().Descriptor}).AppendTo(nil)
	enc = append(enc[:manifestFixedLen], tlvs...)
	binary.BigEndian.PutUint16(enc[4:], uint16(len(enc)))
	return append(enc, 0)
}

func field(typ uint16, value string) []byte {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

func TestManifestVectors(t *testing.T) {
	forEachVector(t, "manifest.txt", func(t *testing.T, v vector) {
		if why := v.text("refused"); why != "" {
			checkRefusedManifest(t, why, v.hex("payload"))
			return
		}
		want := manifestOf(t, v)
		payload := append([]byte("foo"), v.hex("payload")...)
		got, err := want.AppendPayload([]byte("foo"))
		if !bytes.Equal(got, payload) || err != nil {
			t.Errorf("AppendPayload: %v\n got %x\nwant %x", err, got, payload)
		}
		parsed, err := ParseManifestPayload(payload[3:])
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(parsed, want) {
			t.Errorf("ParseManifestPayload:\n got %+v\nwant %+v", parsed, want)
		}
	})
}

// checkRefusedManifest checks that a payload is refused for what is in it, and that nothing else
// is wrong with it.
func checkRefusedManifest(t *testing.T, why string, payload []byte) {
	t.Helper()
	if m, err := ParseManifestPayload(payload); err == nil {
		t.Errorf("%s: accepted as %+v", why, m)
	}
	id, ok := ManifestID(payload[manifestIDLen:])
	if !ok || !bytes.Equal(payload[:manifestIDLen], id[:]) {
		t.Errorf("%s: the vector itself is damaged", why)
	}
}

func manifestOf(t *testing.T, v vector) *Manifest {
	d, err := ParseDescriptor(v.hex("descriptor"))
	if err != nil {
		t.Fatal(err)
	}
	m := &Manifest{
		Sequence: v.num("sequence"), Created: v.num("created"), Expires: v.num("expires"),
		Descriptor: d,
		Channel:    v.text("channel"),
		Name:       v.text("file"),
		Version:    v.text("version"),
		Targets:    v.all("target"),
		Metadata:   v.hex("metadata"),
		Notes:      strings.ReplaceAll(v.text("notes"), `\n`, "\n"),
		Component:  v.text("component"),
	}
	if v.text("catalogue") != "" {
		m.Catalogue = uint32(v.num("catalogue"))
	}
	if b := v.hex("inventory"); b != nil {
		if m.Inventory, err = ParseDescriptor(b); err != nil {
			t.Fatal(err)
		}
	}
	if b := v.hex("archive"); b != nil {
		m.Archive = ObjectID(b)
	}
	for _, line := range v.all("unknown") {
		typ, value, _ := strings.Cut(line, " ")
		n, err := strconv.ParseUint(typ, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		m.Unknown = append(m.Unknown, TLV{Type: uint16(n), Value: append([]byte{}, unhex(t, value)...)})
	}
	for _, line := range v.all("signature") {
		b := unhex(t, line)
		m.Signatures = append(m.Signatures, Signature{KeyID: [8]byte(b), Sig: [64]byte(b[8:])})
	}
	return m
}

func TestManifestAcceptsItsLimits(t *testing.T) {
	m := exampleManifest()
	m.Channel = strings.Repeat("c", maxChannelLen)
	m.Name = strings.Repeat("n", MaxNameLen)
	m.Version = strings.Repeat("v", maxVersionLen)
	m.Targets = []string{strings.Repeat("t", maxTargetLen), "same", "same"}
	m.Signatures = make([]Signature, 1)
	used := manifestIDLen + len(m.AppendTo(nil))
	m.Notes = strings.Repeat("n", m.Descriptor.ShardSize-used-4)

	payload, err := m.AppendPayload(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifestPayload(payload)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v, want %+v", got, err, m)
	}
}

func TestManifestTooLongNamesTheBytes(t *testing.T) {
	// "... an error that names the bytes too many" spec.md 5.1
	m := exampleManifest()
	m.Notes = strings.Repeat("n", 1152)
	over := manifestIDLen + len(m.AppendTo(nil)) - 1152
	b, err := m.AppendPayload([]byte("foo"))
	want := "the manifest is " + strconv.Itoa(over) + " bytes too long for shards of 1152 bytes; " +
		"shorten its texts or metadata, or use shards of 1280 bytes"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if string(b) != "foo" {
		t.Errorf("appended %q", b)
	}

	m.Notes = strings.Repeat("n", 70000)
	if _, err = m.AppendPayload(nil); err == nil || strings.Contains(err.Error(), "use shards") {
		t.Errorf("no shard is large enough: got %v", err)
	}
}

func TestAppendPayloadRefuses(t *testing.T) {
	for name, change := range map[string]func(*Manifest){
		"name":       func(m *Manifest) { m.Name = "../x" },
		"channel":    func(m *Manifest) { m.Channel = strings.Repeat("c", maxChannelLen+1) },
		"version":    func(m *Manifest) { m.Version = strings.Repeat("v", maxVersionLen+1) },
		"target":     func(m *Manifest) { m.Targets = []string{"\xff"} },
		"critical":   func(m *Manifest) { m.Unknown = []TLV{{Type: tlvCritical | 9}} },
		"order":      func(m *Manifest) { m.Unknown = []TLV{{Type: 9}, {Type: 8}} },
		"signatures": func(m *Manifest) { m.Signatures = make([]Signature, MaxSignatures+1) },
		"parameters": func(m *Manifest) { m.Descriptor.K = 0 },
	} {
		m := exampleManifest()
		change(m)
		if _, err := m.AppendPayload(nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	m := exampleManifest()
	m.Version = strings.Repeat("v", maxVersionLen+1)
	if _, err := m.AppendPayload(nil); err == nil || !strings.Contains(err.Error(), "version of 65 bytes") {
		t.Errorf("the error does not name the field: %v", err)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	valid := exampleManifest().AppendTo(nil)
	change := func(offset int, v byte) []byte {
		b := bytes.Clone(valid)
		b[offset] = v
		return b
	}
	signed := append(bytes.Clone(valid[:len(valid)-1]), 5)
	signed = append(signed, make([]byte, 5*signatureLen)...)
	for name, enc := range map[string][]byte{
		"magic":                   change(3, '2'),
		"flags":                   change(7, 1),
		"body shorter than 96":    change(5, manifestFixedLen-1),
		"body past the end":       change(4, 0xff),
		"suite":                   change(33, 2),
		"parameters":              change(37, 0),
		"five signatures":         signed,
		"cut field":               withFields(0, 3, 0),
		"length past the end":     withFields(0, 3, 0, 2, 'x'),
		"descending":              withFields(append(field(3, "1"), field(2, "a")...)...),
		"twice":                   withFields(append(field(3, "1"), field(3, "1")...)...),
		"unknown twice":           withFields(append(field(9, ""), field(9, "")...)...),
		"type 0":                  withFields(field(0, "x")...),
		"unknown and critical":    withFields(field(tlvCritical|7, "x")...),
		"critical target":         withFields(field(tlvCritical|tlvTarget, "x")...),
		"empty channel":           withFields(field(tlvChannel, "")...),
		"empty name":              withFields(field(tlvName, "")...),
		"empty target":            withFields(field(tlvTarget, "")...),
		"empty metadata":          withFields(field(tlvMetadata, "")...),
		"empty notes":             withFields(field(tlvNotes, "")...),
		"long channel":            withFields(field(tlvChannel, strings.Repeat("c", maxChannelLen+1))...),
		"long name":               withFields(field(tlvName, strings.Repeat("n", MaxNameLen+1))...),
		"long version":            withFields(field(tlvVersion, strings.Repeat("v", maxVersionLen+1))...),
		"long target":             withFields(field(tlvTarget, strings.Repeat("t", maxTargetLen+1))...),
		"name with a path":        withFields(field(tlvName, "../x")...),
		"empty component":         withFields(field(tlvComponent, "")...),
		"long component":          withFields(field(tlvComponent, strings.Repeat("c", maxComponentLen+1))...),
		"catalogue of none":       withFields(field(tlvCatalogue, "\x00\x00\x00\x00")...),
		"catalogue of 3 bytes":    withFields(field(tlvCatalogue, "\x00\x00\x01")...),
		"notes that are not text": withFields(field(tlvNotes, "\xc3\x28")...),
	} {
		if m, err := ParseManifestPayload(payloadOf(enc, 1152)); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		}
	}
	if _, err := ParseManifestPayload(payloadOf(valid, 1152)); err != nil {
		t.Errorf("the unchanged manifest: %v", err)
	}
	if _, err := ParseManifestPayload(payloadOf(valid, 1216)); err == nil {
		t.Error("a payload of another shard size was accepted")
	}
	if _, err := ParseManifestPayload(payloadOf(append(bytes.Clone(valid), 0, 0, 7), 1152)); err == nil {
		t.Error("bytes behind the manifest were accepted")
	}
}

func TestEveryBitOfAManifestPayloadCounts(t *testing.T) {
	payload, err := exampleManifest().AppendPayload(nil)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(payload) {
		b := bytes.Clone(payload)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := ParseManifestPayload(b); err == nil {
			t.Errorf("bit %d of byte %d changed nothing", bit%8, bit/8)
		}
	}
	for n := range payload {
		if _, err := ParseManifestPayload(payload[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(payload))
		}
	}
}

func TestTruncatedManifestIsRefused(t *testing.T) {
	// Also with an id that fits: the lengths inside must hold.
	m := exampleManifest()
	m.Signatures = make([]Signature, 2)
	enc := m.AppendTo(nil)
	for n := range enc {
		if _, _, err := parseManifest(enc[:n]); err == nil {
			t.Errorf("%d of %d bytes were accepted: %s", n, len(enc), hex.EncodeToString(enc[:n]))
		}
	}
}
