// SPDX-License-Identifier: GPL-2.0-or-later

package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"iotupd/cmd/iotupd/internal/describe"
	"iotupd/proto"
	"iotupd/proto/keys"
	"iotupd/proto/seal"
	"iotupd/receiver"
	"iotupd/receiver/monitor"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A listening is a monitor of what a test sends.
type listening struct {
	*testing.T
	*monitor.Monitor
	trusted []proto.PublicKey
	now     time.Time
	from    receiver.Origin
	path    proto.Path
}

func newListening(t *testing.T, trusted []proto.PublicKey, groupKey *seal.GroupKey) *listening {
	return &listening{
		T: t, Monitor: monitor.New(trusted, groupKey), trusted: trusted, now: epoch,
		from: receiver.Origin{From: netip.MustParseAddrPort("10.0.0.1:4711"), Interface: 1},
		path: proto.Path{Layers: 1, Sender: 1, Senders: 1},
	}
}

// manifest is one of an object with a content of its own.
func manifest(content string) *proto.Manifest {
	m := &proto.Manifest{Name: "fw.bin", Descriptor: proto.Descriptor{
		Params: proto.Params{K: 1, ShardSize: proto.DefaultShardSize, Size: uint64(len(content))},
		SHA256: sha256.Sum256([]byte(content)),
	}}
	m.Channel, m.Version, m.Sequence = "iotupd", "1.0", 7
	return m
}

// hears delivers a packet, 10 ms later.
func (l *listening) hears(h proto.Header, payload []byte) {
	l.now = l.now.Add(10 * time.Millisecond)
	h.Path = l.path
	l.path.Seq++
	b := append(h.AppendTo(nil), payload...)
	if h.Sealed {
		b = seal.NewGroupKey(seal.Key{1}).Cipher(h.Object).Seal(&h, b)
	}
	proto.PutChecksum(b)
	l.Handle(l.now, l.from, b)
}

func (l *listening) hearsManifest(m *proto.Manifest) {
	l.Helper()
	payload, err := m.AppendPayload(nil)
	check(l.T, err)
	l.hears(header(m, proto.TypeManifest), payload)
}

func (l *listening) hearsData(m *proto.Manifest) {
	l.hears(header(m, proto.TypeData), make([]byte, m.Descriptor.ShardSize))
}

func header(m *proto.Manifest, t proto.Type) proto.Header {
	return proto.Header{Type: t, Object: m.Descriptor.Object(), Params: m.Descriptor.Params}
}

// sealed is the header of a packet under the key that hears seals with.
func sealed(h proto.Header) proto.Header {
	g := seal.NewGroupKey(seal.Key{1})
	h.Sealed, h.KeyHint, h.Object = true, g.Hint(), g.Object(h.Object)
	return h
}

// shows returns what is printed about the only object.
func (l *listening) shows() string {
	l.Helper()
	if len(l.Objects) != 1 {
		l.Fatalf("got %d objects, want one", len(l.Objects))
	}
	e := newHeardEvent(l.Monitor, l.Objects[0], l.now, l.trusted)
	return e.text()
}

func (l *listening) wantShown(what ...string) {
	l.Helper()
	for _, want := range what {
		if got := l.shows(); !strings.Contains(got, want) {
			l.Errorf("got\n%swant %q in it", got, want)
		}
	}
}

func TestWhatIsHeardIsShown(t *testing.T) {
	l := newListening(t, nil, nil)
	m := manifest("content")
	l.hearsData(m)
	l.wantShown("object      "+m.Descriptor.Object().String(), "no manifest was heard", "size        7 B", "groups of 1+0 of 1152 bytes")
	l.hearsManifest(m)
	for range 9 {
		l.hearsData(m)
	}
	l.now = l.now.Add(10 * time.Millisecond) // 110 ms since the first packet
	want := `object      ` + m.Descriptor.Object().String() + `
  name        fw.bin
  size        7 B
  SHA-256     ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73
  shards      1 group of 1+0 shards of 1152 bytes, code none, no digests
  memory      receivers need 16.0 MiB
  channel     iotupd
  version     1.0
  sequence    7
  unsigned    its origin is not known
  data        90.9 packets/s  905 kbit/s
  manifest    9.1 packets/s  90.5 kbit/s
  from 10.0.0.1:4711 on lo  sender 1/1  layer 0 of 1  995 kbit/s  loss 0.0%
`
	if got := strings.Replace(l.shows(), "on lo0", "on lo", 1); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestPacketsOfEveryTypeAreShown(t *testing.T) {
	l := newListening(t, nil, nil)
	m := manifest("content")
	m.Descriptor.M, m.Descriptor.Code = 1, proto.CodeLeopard8
	for typ := proto.TypeData; typ <= proto.TypeOutline; typ++ {
		h := header(m, typ)
		if typ == proto.TypeParity {
			h.Index = h.K
		}
		l.hears(h, make([]byte, h.ShardSize))
		l.now = l.now.Add(time.Second)
	}
	l.wantShown("  data        ", "  parity      ", "  digest      ", "  outline     ")
}

func TestAManifestOfATrustedKeyIsShownRatherThanTheFirst(t *testing.T) {
	key, other := keys.Generate(), keys.Generate()
	l := newListening(t, []proto.PublicKey{key.Public()}, nil)
	unsigned, foreign, signed := manifest("content"), manifest("content"), manifest("content")
	unsigned.Version, foreign.Version, signed.Version = "forged", "foreign", "true"
	foreign.Signatures = []proto.Signature{other.Sign(foreign)}
	signed.Signatures = []proto.Signature{other.Sign(signed), key.Sign(signed)}
	l.hearsManifest(unsigned)
	l.hearsManifest(foreign)
	l.wantShown("version     forged", "unsigned")
	l.hearsManifest(signed)
	l.hearsManifest(unsigned)
	l.wantShown("version     true", "signed by   "+other.ID.String()+"  not known", "signed by   "+key.ID.String()+"  verified")
}

func TestASignatureThatIsWrongIsShownAsSuch(t *testing.T) {
	key := keys.Generate()
	m := manifest("content")
	m.Signatures = []proto.Signature{key.Sign(m)}
	m.Version = "changed"
	e := describe.NewManifestEvent(m, []proto.PublicKey{key.Public()}, epoch)
	if e.SignedBy != "" || e.Signatures[0].Status != describe.StatusWrong {
		t.Errorf("got %+v", e)
	}
}

func TestTheManifestOverridesForgedParameters(t *testing.T) {
	l := newListening(t, nil, nil)
	m := manifest("content")
	forged := header(m, proto.TypeData)
	forged.Size, forged.K = 1<<40, 1000
	l.hears(forged, make([]byte, forged.ShardSize))
	l.hearsData(m)
	l.hearsManifest(m)
	l.hearsData(m)
	l.hears(forged, make([]byte, forged.ShardSize))
	l.wantShown("size        7 B")
	if got := l.Ignored[proto.ReasonGeometry]; got != 2 {
		t.Errorf("got %d packets that contradict the object, want 2", got)
	}
	stranger := manifest("another content")
	payload, err := stranger.AppendPayload(nil)
	check(t, err)
	l.hears(header(m, proto.TypeManifest), payload)
	l.hears(header(m, proto.TypeManifest), make([]byte, m.Descriptor.ShardSize))
	if got := l.Ignored[receiver.ReasonManifest]; got != 2 {
		t.Errorf("got %d wrong manifests, want 2", got)
	}
}

func TestSealedObjectsTakeTheirKey(t *testing.T) {
	m := manifest("content")
	payload, err := m.AppendPayload(nil)
	check(t, err)
	for name, group := range map[string]*seal.GroupKey{
		"key": seal.NewGroupKey(seal.Key{1}), "no key": nil, "other key": seal.NewGroupKey(seal.Key{2}),
		"other key, same hint": withHint(seal.NewGroupKey(seal.Key{1}).Hint()),
	} {
		l := newListening(t, nil, group)
		l.hears(sealed(header(m, proto.TypeData)), make([]byte, m.Descriptor.ShardSize))
		l.hears(sealed(header(m, proto.TypeManifest)), payload)
		keyed := sealed(header(m, proto.TypeData)).Object.String()
		if name == "key" {
			l.wantShown("object      "+m.Descriptor.Object().String(), "name        fw.bin", "sealed      as object "+keyed)
			continue
		}
		hint := "the key is not that of --group-key"
		if name == "no key" {
			hint = "give --group-key to see the rest"
		}
		l.wantShown("object      "+keyed, hint, "size        7 B")
		if !strings.HasSuffix(name, "same hint") { // where it is ignored: it does not open
			l.wantShown("manifest    ")
		}
		if got := l.shows(); strings.Contains(got, "fw.bin") {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
	// Knowing the keyed id without the key does not suffice to forge a manifest.
	l := newListening(t, nil, seal.NewGroupKey(seal.Key{1}))
	h := sealed(header(m, proto.TypeManifest))
	b := append(h.AppendTo(nil), payload...)
	b = append(b, make([]byte, proto.SealLen)...)
	proto.PutChecksum(b)
	l.Handle(l.now, l.from, b)
	if got := l.Ignored[receiver.ReasonManifest]; got != 1 {
		t.Errorf("got %d forged manifests, want 1", got)
	}
}

// withHint returns a key other than Key{1} with that hint.
func withHint(hint byte) *seal.GroupKey {
	for k := (seal.Key{2}); ; binary.BigEndian.PutUint32(k[1:], 1+binary.BigEndian.Uint32(k[1:])) {
		if g := seal.NewGroupKey(k); g.Hint() == hint {
			return g
		}
	}
}

func TestTextsOfOthersAreSafeToPrint(t *testing.T) {
	m := manifest("content")
	m.Channel, m.Version, m.Notes = "a\x1b[2Jb", "1\r0", "one\ntwo\u009b\u202e\nobject      forged"
	m.Targets = []string{"board\x00"}
	m.Metadata, m.Unknown = []byte("\x1b[2J"), []proto.TLV{{Type: 77, Value: []byte("\x1b")}}
	m.Created, m.Expires = 1700000000, 1<<64-1
	e := describe.NewManifestEvent(m, nil, epoch)
	want := `channel     a` + "\ufffd" + `[2Jb
version     1` + "\ufffd" + `0
sequence    7
created     2023-11-14 22:13:20 UTC
expires     18446744073709551615 s after 1970
target      board` + "\ufffd" + `
notes       one
            two` + "\ufffd\ufffd" + `
            object      forged
metadata    4 bytes, see --json
unknown     field of type 77 with 1 bytes, see --json
unsigned    its origin is not known
`
	if got := e.Text(); !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant at its end\n%s", got, want)
	}
	for _, s := range slices.Concat([]string{e.Channel, e.Version, string(e.Notes)}, e.Targets) {
		if strings.ContainsAny(s, "\x1b\u009b\r\x00\u202e") {
			t.Errorf("%q goes to JSON", s)
		}
	}
}

// Any datagram, with a valid checksum if it has room for one.
func FuzzMonitor(f *testing.F) {
	m := manifest("content")
	payload, err := m.AppendPayload(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(header(m, proto.TypeManifest).AppendTo(nil), payload...))
	f.Add(append(header(m, proto.TypeData).AppendTo(nil), make([]byte, m.Descriptor.ShardSize)...))
	f.Add(append(header(m, proto.TypeOutline).AppendTo(nil), make([]byte, m.Descriptor.ShardSize)...))
	f.Add(append(sealed(header(m, proto.TypeManifest)).AppendTo(nil), make([]byte, m.Descriptor.ShardSize+proto.SealLen)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		a := monitor.New(nil, seal.NewGroupKey(seal.Key{1}))
		in = bytes.Clone(in)
		if _, _, err := proto.Parse(in); err == nil {
			proto.PutChecksum(in)
		}
		for range 2 {
			a.Handle(epoch, receiver.Origin{}, in)
		}
		for _, o := range a.Objects {
			e := newHeardEvent(a, o, epoch, nil)
			if text := e.text(); strings.Contains(text, "\x1b") {
				t.Errorf("%q is not safe to print", text)
			}
		}
	})
}

func TestOnlySoManyStreamsAreShown(t *testing.T) {
	const most = 64
	l := newListening(t, nil, nil)
	m := manifest("content")
	for i := range 1000 {
		l.from.From = netip.AddrPortFrom(l.from.From.Addr(), uint16(1+i))
		l.path.Layer = i % 16
		l.hearsData(m)
	}
	l.wantShown(fmt.Sprintf("and %d packets of more streams", 1000-most), "data        ")
}

func TestADirectoryIsShownWithItsInventory(t *testing.T) {
	l := newListening(t, nil, nil)
	m := manifest("content")
	m.Name, m.Inventory = "maps.tar", m.Descriptor
	m.Inventory.Size = 5
	inventory := &proto.Manifest{Descriptor: m.Inventory, Archive: m.Descriptor.Object()}
	l.hearsManifest(m)
	l.hearsManifest(inventory)
	l.hearsData(m)
	for _, o := range l.Listing() {
		e := newHeardEvent(l.Monitor, o, l.now, l.trusted)
		for _, want := range []string{"  directory   maps/\n", "  inventory   5 B, object " + m.Inventory.Object().String(), "  archive     7 B\n", "  inventory   50.0 packets/s"} {
			if got := e.text(); !strings.Contains(got, want) || strings.Contains(got, "share") {
				t.Errorf("got\n%swant %q in it, and no share", got, want)
			}
		}
	}
	if n := len(l.Listing()); n != 1 {
		t.Errorf("got %d objects, want one", n)
	}
}
