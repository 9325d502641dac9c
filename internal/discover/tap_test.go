// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestForgedAnswersDoNotStandInForTheRightOne(t *testing.T) {
	// "... only a message with that id and that question is accepted as its
	// answer." spec.md 8.3
	z := oneSender(t)
	forgeries := map[string]func(*dnsmessage.Message){
		"another id":    func(m *dnsmessage.Message) { m.ID++ },
		"a query":       func(m *dnsmessage.Message) { m.Response = false },
		"no question":   func(m *dnsmessage.Message) { m.Questions = nil },
		"another name":  func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("b.") },
		"another type":  func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeNS },
		"another class": func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
	}
	z.send = func(query, answer []byte) [][]byte {
		all := [][]byte{nil, []byte("x"), []byte(strings.Repeat("\xff", 512))}
		for name, forge := range forgeries {
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil {
				t.Fatal(err)
			}
			m.Answers = []dnsmessage.Resource{resource("a", address("192.0.2.66")), resource(service+channel, srv(1, 2, "a"))}
			forge(&m)
			b, err := m.Pack()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all = append(all, b)
		}
		return append(all, answer)
	}
	wantLevels(t, z.plan(nil), "1 a 192.0.2.1 1")
	z.send = func(query, answer []byte) [][]byte { return [][]byte{[]byte("x"), {answer[0], answer[1] + 1}} }
	z.wantError("no answer within 2s")
}

func TestAnswersThatAServerCannotGive(t *testing.T) {
	tests := map[string]struct {
		change func(*dnsmessage.Message)
		want   string
	}{
		"failure":     {func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }, "it answers ServerFailure"},
		"refusal":     {func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }, "it answers Refused"},
		"an odd code": {func(m *dnsmessage.Message) { m.RCode = 11 }, "it answers 11"},
		"a referral":  {func(m *dnsmessage.Message) { m.RecursionAvailable, m.Answers = false, nil }, "lame referral"},
		"two questions": {func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) },
			"invalid DNS response"},
		"too many records": {func(m *dnsmessage.Message) {
			for range maxRecords {
				m.Answers = append(m.Answers, resource("other", address("192.0.2.2")))
			}
		}, "more than 256 records"},
	}
	for name, test := range tests {
		z := oneSender(t)
		z.change = test.change
		err := z.wantError("name server 192.0.2.53:53, asked for SRV of _iotupd._udp.fw.example.net: " + test.want)
		if errors.As(err, new(*NotFoundError)) {
			t.Errorf("%s: %v is a NotFoundError", name, err)
		}
	}
}

func TestOnlyTheAnswerSectionCounts(t *testing.T) {
	// "Only the answer section counts, and in it the records of the type asked
	// for." spec.md 8.3
	z := oneSender(t)
	z.change = func(m *dnsmessage.Message) {
		if m.Questions[0].Type != dnsmessage.TypeA {
			return
		}
		m.Answers = append(m.Answers, resource("a", txt("txtvers=1")), resource("a", srv(0, 1, "b")), resource("a", address("2001:db8::1")))
		m.Additionals = append(m.Additionals, resource("a", address("192.0.2.4")))
		m.Authorities = append(m.Authorities, resource("a", address("192.0.2.5")))
	}
	wantLevels(t, z.plan(nil), "1 a 192.0.2.1 1")
}

func TestAnAnswerMayBelongToAnAlias(t *testing.T) {
	// "Aliases (CNAME) are resolved by the name server." spec.md 8.3
	z := newZone(t).
		add(service+channel, aliasOf("services.example")).
		add("services.example", srv(1, 1, "a")).
		add("services.example", txt("txtvers=1", "l=2")).
		add("a", aliasOf("B")).
		add("b", aliasOf("c")).
		add("c", address("192.0.2.1"))
	p := z.plan(nil)
	wantLevels(t, p, "1 a 192.0.2.1 1")
	if p.Layers != 2 {
		t.Errorf("got %d layers, want 2", p.Layers)
	}
	newZone(t).add(service+channel, srv(1, 1, "a")).add("a", aliasOf("b")).wantError("a has no address")
	newZone(t).add(service+channel, srv(1, 1, "a")).add("a", aliasOf("b")).add("b", aliasOf("a")).wantError("a has no address")
}

func TestATextKeepsItsStrings(t *testing.T) {
	// "One record that starts with txtvers=1 may hold further strings." spec.md 8.3
	p := oneSender(t).add(service+channel, txt("later=g=ff15::1", "", "g4=232.1.1.1")).
		add(service+channel, txt("txtvers=1", "l=1", "6=", "note=l=3", "g4=232.9.9.9")).plan(nil)
	if p.Layers != 1 || p.Group4.String() != "232.9.9.9" {
		t.Errorf("got %d layers and group %v", p.Layers, p.Group4)
	}
	z := oneSender(t) // long enough for TCP
	for i := range 100 {
		z.add(service+channel, txt(fmt.Sprintf("note=%d", i)))
	}
	z.add(service+channel, txt("txtvers=1", "l=3", "g4=232.1.1.0"))
	if p := z.plan(nil); p.Layers != 3 || p.Group4.String() != "232.1.1.0" {
		t.Errorf("over TCP: got %d layers and group %v", p.Layers, p.Group4)
	}
}

func TestWhatIsTruncatedComesOverTCP(t *testing.T) {
	// "... a truncated answer is requested again over TCP." spec.md 8.3
	long := func() *zone {
		z := newZone(t).add(service+channel, srv(1, 1, "a"))
		for i := range 100 {
			z.add("a", address(fmt.Sprintf("2001:db8::%d", i)))
		}
		return z
	}
	z := long()
	if n := len(z.plan(nil).Levels[0].Sources); n != maxSources {
		t.Errorf("%d sources, want %d of 100", n, maxSources)
	}
	for want, cut := range map[string]func([]byte) []byte{
		"it closed the connection without an answer":   func([]byte) []byte { return nil },
		"it closed the connection without an answer ":  func(framed []byte) []byte { return framed[:1] },
		"it closed the connection without an answer  ": func(framed []byte) []byte { return framed[:len(framed)-1] },
		"cannot unmarshal DNS message": func(framed []byte) []byte {
			return append([]byte{0, 14}, framed[2:16]...) // the header, with a byte of the question
		},
		"more than 256 records": func(framed []byte) []byte {
			binary.BigEndian.PutUint16(framed[8:], 257)
			return framed
		},
		"no address of a sender of fw.example.net: a has no address": func(framed []byte) []byte {
			binary.BigEndian.PutUint16(framed[8:], 0)
			return framed
		},
	} {
		z := long()
		z.cut = cut
		z.wantError(strings.TrimSpace(want))
	}
}

func FuzzAnswer(f *testing.F) {
	types := []dnsmessage.Type{dnsmessage.TypeSRV, dnsmessage.TypeTXT, dnsmessage.TypeAAAA, dnsmessage.TypeA}
	for i, typ := range types {
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{Response: true, RecursionAvailable: true},
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a."), Type: typ, Class: dnsmessage.ClassINET}},
		}
		for _, body := range []dnsmessage.ResourceBody{aliasOf("b"), srv(1, 2, "host"), txt("txtvers=1", "g=ff3e::1"), address("192.0.2.1"), address("2001:db8::1")} {
			m.Answers = append(m.Answers, resource("a", body))
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b[12:])
	}
	f.Fuzz(func(t *testing.T, i uint8, sections []byte) {
		// All behind the head of one answer, whose question is right, is anything.
		z := oneSender(t).add(service+channel, txt("txtvers=1")).add("a", address("2001:db8::2"))
		typ := types[int(i)%len(types)]
		z.send = func(query, answer []byte) [][]byte {
			var m dnsmessage.Message
			if err := m.Unpack(query); err != nil || m.Questions[0].Type != typ {
				return [][]byte{answer}
			}
			return [][]byte{append(answer[:12:12], sections...)}
		}
		p, err := z.resolver().Resolve(t.Context(), channel, nil)
		if err != nil {
			return
		}
		wantSound(t, p)
		for _, l := range p.Levels {
			if len(l.Sources) == 0 || len(l.Sources) > maxSources {
				t.Errorf("%d sources", len(l.Sources))
			}
			for _, s := range l.Sources {
				if !isHost(s.Addr) || checkName(s.Host) != nil || s.Port == 0 {
					t.Errorf("source %+v", s)
				}
			}
		}
	})
}
