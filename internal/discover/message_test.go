// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A message is an answer in the making, to a question for SRV records of
// "question." with id 7 unless a test makes it another one.
type message struct {
	dnsmessage.Message
	typ dnsmessage.Type // that was asked for
}

func newMessage(typ dnsmessage.Type) *message {
	m := &message{typ: typ}
	m.Header = dnsmessage.Header{ID: 7, Response: true, RecursionAvailable: true}
	m.Questions = []dnsmessage.Question{question("question", typ)}
	return m
}

func question(name string, typ dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: typ, Class: dnsmessage.ClassINET}
}

// add adds a record to the answer section.
func (m *message) add(name string, ttl uint32, body dnsmessage.ResourceBody) *message {
	m.Answers = append(m.Answers, resource(name, ttl, body))
	return m
}

func resource(name string, ttl uint32, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: ttl},
		Body:   body,
	}
}

func (m *message) pack() []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func (m *message) parse() (answer, error) {
	return parseAnswer(m.pack(), 7, question("question", m.typ))
}

func address(s string) dnsmessage.ResourceBody {
	a := netip.MustParseAddr(s)
	if a.Is4() {
		return &dnsmessage.AResource{A: a.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: a.As16()}
}

func aliasOf(name string) dnsmessage.ResourceBody {
	return &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(name + ".")}
}

func srv(priority, port uint16, target string) dnsmessage.ResourceBody {
	return &dnsmessage.SRVResource{Priority: priority, Port: port, Target: dnsmessage.MustNewName(target + ".")}
}

func txt(pairs ...string) dnsmessage.ResourceBody { return &dnsmessage.TXTResource{TXT: pairs} }

func wantAddresses(t *testing.T, a answer, want ...string) {
	t.Helper()
	if got := fmt.Sprint(a.addresses); got != fmt.Sprint(want) {
		t.Errorf("got addresses %v, want %v", got, want)
	}
}

func TestMessagesThatDoNotAnswerAreWaitedPast(t *testing.T) {
	// "... only a message with that id and exactly that question is taken for its
	// answer." spec.md 8.3
	tests := map[string]func(*message){
		"another id":              func(m *message) { m.ID = 8 },
		"a query":                 func(m *message) { m.Response = false },
		"another operation":       func(m *message) { m.OpCode = 4 },
		"no question":             func(m *message) { m.Questions = nil },
		"two questions":           func(m *message) { m.Questions = append(m.Questions, m.Questions[0]) },
		"another name":            func(m *message) { m.Questions[0] = question("questiom", m.typ) },
		"letters of another case": func(m *message) { m.Questions[0] = question("Question", m.typ) },
		"another type":            func(m *message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
		"another class":           func(m *message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
	}
	for name, change := range tests {
		m := newMessage(dnsmessage.TypeA).add("question", 60, address("192.0.2.1"))
		change(m)
		if _, err := m.parse(); err != errNotOurs {
			t.Errorf("%s: got %v, want %v", name, err, errNotOurs)
		}
	}
	for _, junk := range []string{"", "x", strings.Repeat("\xff", 512)} {
		if _, err := parseAnswer([]byte(junk), 7, question("question", dnsmessage.TypeA)); err != errNotOurs {
			t.Errorf("%.3q: got %v, want %v", junk, err, errNotOurs)
		}
	}
}

func TestAnswersThatAServerCannotGive(t *testing.T) {
	tests := map[string]struct {
		change func(*message)
		want   string
	}{
		"failure":     {func(m *message) { m.RCode = dnsmessage.RCodeServerFailure }, "it answers ServerFailure"},
		"refusal":     {func(m *message) { m.RCode = dnsmessage.RCodeRefused }, "it answers Refused"},
		"an odd code": {func(m *message) { m.RCode = 11 }, "it answers 11"},
		"a referral":  {func(m *message) { m.RecursionAvailable, m.Answers = false, nil }, "asks nobody else"},
		"truncated":   {func(m *message) { m.Truncated = true }, errTruncated.Error()},
		"a loop of aliases": {func(m *message) { m.Answers = nil; m.add("question", 1, aliasOf("a")).add("a", 1, aliasOf("question")) },
			"more than 8 aliases"},
		"a long row of aliases": {func(m *message) {
			m.Answers = nil
			for i := range 10 {
				from := fmt.Sprintf("a%d", i)
				if i == 0 {
					from = "question"
				}
				m.add(from, 1, aliasOf(fmt.Sprintf("a%d", i+1)))
			}
		}, "more than 8 aliases"},
		"too many records": {func(m *message) {
			for range 2 * maxRecords {
				m.add("other", 60, address("192.0.2.2"))
			}
		}, "more than 256 records"},
	}
	for name, test := range tests {
		m := newMessage(dnsmessage.TypeA).add("question", 60, address("192.0.2.1"))
		test.change(m)
		if a, err := m.parse(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %+v, %v; want %q", name, a, err, test.want)
		}
	}
}

func TestOnlyRecordsThatWereAskedForCount(t *testing.T) {
	// "Only the answer section counts, and in it the records of the name and type
	// asked for." spec.md 8.3
	m := newMessage(dnsmessage.TypeA).
		add("question", 60, address("192.0.2.1")).
		add("other", 1, address("192.0.2.2")).
		add("question", 1, address("2001:db8::1")).
		add("question", 1, txt("txtvers=1")).
		add("question", 1, srv(0, 1, "other"))
	chaos := resource("question", 1, address("192.0.2.3"))
	chaos.Header.Class = dnsmessage.ClassCHAOS
	m.Answers = append(m.Answers, chaos)
	m.Additionals = append(m.Additionals, resource("question", 1, address("192.0.2.4")))
	m.Authorities = append(m.Authorities, resource("question", 1, address("192.0.2.5")))
	a, err := m.parse()
	if err != nil {
		t.Fatal(err)
	}
	wantAddresses(t, a, "192.0.2.1")
	if a.ttl != time.Minute || a.services != nil || a.texts != nil {
		t.Errorf("got %+v, want nothing but the address, for a minute", a)
	}
}

func TestAliasesAreFollowedWithinTheAnswer(t *testing.T) {
	// "Aliases (CNAME) are followed within an answer." spec.md 8.3
	a, err := newMessage(dnsmessage.TypeAAAA).
		add("b", 60, address("2001:db8::1")).
		add("A", 20, aliasOf("B")).
		add("QUESTION", 30, aliasOf("a")).
		add("c", 1, address("2001:db8::2")).parse()
	if err != nil {
		t.Fatal(err)
	}
	wantAddresses(t, a, "2001:db8::1")
	if a.ttl != 20*time.Second {
		t.Errorf("may be kept for %v, want the least of alias and address, 20s", a.ttl)
	}
	a, err = newMessage(dnsmessage.TypeAAAA).add("question", 1, aliasOf("nowhere")).parse()
	if err != nil || !a.empty() {
		t.Errorf("an alias of nothing: got %+v, %v", a, err)
	}
}

func TestThatThereIsNoRecordIsAnAnswer(t *testing.T) {
	// "A missing record counts for as long as the SOA record of the answer says, or
	// 5 min." spec.md 8.3
	soa := func(ttl, negative uint32) dnsmessage.Resource {
		root := dnsmessage.MustNewName(".")
		return resource("", ttl, &dnsmessage.SOAResource{NS: root, MBox: root, MinTTL: negative})
	}
	tests := []struct {
		name      string
		authority []dnsmessage.Resource
		want      time.Duration
	}{
		{"nobody says for how long", nil, 5 * time.Minute},
		{"the zone says", []dnsmessage.Resource{soa(3600, 600)}, 10 * time.Minute},
		{"the zone itself is kept shorter", []dnsmessage.Resource{soa(30, 600)}, 30 * time.Second},
		{"a time beyond all limits", []dnsmessage.Resource{soa(1<<31, 600)}, 0},
		{"more than the zone", []dnsmessage.Resource{resource("", 1, address("192.0.2.1")), soa(60, 60)}, time.Minute},
	}
	for _, test := range tests {
		for _, code := range []dnsmessage.RCode{dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError} {
			m := newMessage(dnsmessage.TypeSRV)
			m.RCode, m.Authorities = code, test.authority
			a, err := m.parse()
			if err != nil || !a.empty() || a.noName != (code == dnsmessage.RCodeNameError) || a.ttl != test.want {
				t.Errorf("%s, %v: got %+v, %v; want nothing, for %v", test.name, code, a, err, test.want)
			}
		}
	}
}

// raw is the head of an answer with one record, whose owner, type, class, time
// to live and data follow.
const raw = "\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x08question\x00\x00\x01\x00\x01"

func TestMalformedRecordsAreRefused(t *testing.T) {
	const record = "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c"
	if a, err := parseAnswer([]byte(raw+record+"\x00\x04\xc0\x00\x02\x01"), 7, question("question", dnsmessage.TypeA)); err != nil || len(a.addresses) != 1 {
		t.Fatalf("the right one: got %+v, %v", a, err)
	}
	tests := map[string]string{
		"no record":                        raw,
		"65535 records announced":          strings.Replace(raw, "\x00\x01\x00\x01\x00\x00", "\x00\x01\xff\xff\x00\x00", 1) + record + "\x00\x04\xc0\x00\x02\x01",
		"cut":                              raw + record + "\x00\x04\xc0\x00\x02",
		"a name that points to itself":     raw + "\xc0\x1a\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
		"two names that point to another":  raw + "\x01a\xc0\x1e\xc0\x1a",
		"a name that points past the end":  raw + "\xff\xff\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
		"a name of another kind":           raw + "\x80\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
		"a label with a dot":               raw + "\x03a.b\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
		"a name of more than 255 bytes":    raw + strings.Repeat("\x3f"+strings.Repeat("a", 63), 5) + "\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01",
		"more data than the message":       raw + record + "\xff\xff\xc0\x00\x02\x01",
		"a text longer than its record":    raw + "\xc0\x0c\x00\x10\x00\x01\x00\x00\x00\x3c\x00\x02\x05a",
		"an SRV record without its target": raw + "\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x3c\x00\x06\x00\x01\x00\x01\x00\x01",
	}
	for name, msg := range tests {
		if a, err := parseAnswer([]byte(msg), 7, question("question", dnsmessage.TypeA)); err == nil || errors.Is(err, errNotOurs) {
			t.Errorf("%s: got %+v, %v", name, a, err)
		}
	}
	for name, data := range map[string]string{"short": "\x00\x02\xc0\x00", "long": "\x00\x05\xc0\x00\x02\x01\x00"} {
		if a, err := parseAnswer([]byte(raw+record+data), 7, question("question", dnsmessage.TypeA)); err != nil || !a.empty() {
			t.Errorf("an address that is too %s: got %+v, %v; want it ignored", name, a, err)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	types := []dnsmessage.Type{dnsmessage.TypeSRV, dnsmessage.TypeTXT, dnsmessage.TypeAAAA, dnsmessage.TypeA}
	for i, typ := range types {
		f.Add(uint8(i), newMessage(typ).
			add("question", 60, aliasOf("a")).
			add("a", 60, srv(1, 2, "host")).
			add("a", 60, txt("txtvers=1", "g=ff3e::1")).
			add("a", 60, address("192.0.2.1")).
			add("a", 60, address("2001:db8::1")).pack())
	}
	f.Fuzz(func(t *testing.T, i uint8, msg []byte) {
		typ := types[int(i)%len(types)]
		a, err := parseAnswer(msg, 7, question("question", typ))
		if err != nil {
			return
		}
		if a.ttl < 0 || a.ttl > maxTTL {
			t.Errorf("may be kept for %v", a.ttl)
		}
		if n := len(a.services) + len(a.texts) + len(a.addresses); n > maxRecords || n == 0 && !a.empty() {
			t.Errorf("%d records", n)
		}
		for _, addr := range a.addresses {
			if addr.Is4() != (typ == dnsmessage.TypeA) {
				t.Errorf("%v in answer to %v", addr, typ)
			}
		}
		// What the records say may be anything; a plan of it must not be.
		p := &Plan{Group6: netip.MustParseAddr("ff3e::1"), Group4: netip.MustParseAddr("232.1.1.1"), Layers: 1}
		if err := p.readTexts(a.texts); err == nil {
			wantSound(t, p)
		}
	})
}

// wantSound fails the test if the groups of a plan cannot be joined.
func wantSound(t *testing.T, p *Plan) {
	t.Helper()
	if !p.Group6.IsMulticast() || !p.Group6.Is6() || !p.Group4.IsMulticast() || !p.Group4.Is4() || p.Layers < 1 || p.Layers > 16 {
		t.Errorf("not sound: %+v", p)
	}
}
