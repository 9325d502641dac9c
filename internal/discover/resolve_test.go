// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAPlanHasTheSourcesByPriority(t *testing.T) {
	// "All records of the lowest priority are joined together." spec.md 8.3
	p := newZone(t).
		add(service+channel, srv(20, 18868, "c")).
		add(service+channel, srv(10, 18869, "B.example")).
		add(service+channel, srv(10, 18868, "a")).
		add("a", address("192.0.2.1")).
		add("a", address("2001:db8::1")).
		add("b.example", address("192.0.2.2")).
		add("c", aliasOf("d")).
		add("d", address("fe80::1")).plan(nil)
	wantLevels(t, p,
		"10 a 192.0.2.1 18868", "10 a 2001:db8::1 18868", "10 b.example 192.0.2.2 18869", "20 c fe80::1 18868")
	if want := "ff3e::dfa4:97a0 232.170.128.128 1"; fmt.Sprint(p.Group6, p.Group4, p.Layers) != want {
		t.Errorf("got groups %v, %v with %d layers; want the channel's", p.Group6, p.Group4, p.Layers)
	}
	l := p.Levels[0]
	if got := fmt.Sprint(l.Ports(), l.Sent(18868), l.Sent(18869)); got != "[18868 18869] [192.0.2.1 2001:db8::1] [192.0.2.2]" {
		t.Errorf("got ports and addresses %s", got)
	}
	if want := "priority 20: c (fe80::1)"; p.Levels[1].String() != want {
		t.Errorf("got %v, want %s", p.Levels[1], want)
	}
	if p.Refresh != 5*time.Minute {
		t.Errorf("holds for %v, want 5m", p.Refresh)
	}
}

func TestAPlanDoesNotDependOnTheOrderOfTheAnswers(t *testing.T) {
	// Name servers rotate their records.
	z := newZone(t).
		add(service+channel, srv(10, 1, "a")).
		add(service+channel, srv(10, 1, "b")).
		add(service+channel, srv(10, 1, "a")).
		add(service+channel, txt("other")).
		add(service+channel, txt("txtvers=1", "l=4"))
	for i := range 50 {
		z.add([]string{"a", "b"}[i%2], address(fmt.Sprintf("192.0.2.%d", i)))
	}
	want := z.plan(nil)
	slices.Reverse(z.records)
	if got := z.plan(want); !got.isSameUpTo(want, 1) || len(got.Levels[0].Sources) != maxSources {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTXTNamesTheGroups(t *testing.T) {
	// "One record that starts with txtvers=1 may hold further strings; of a key that
	// is repeated the first one counts, keys are compared without regard to case, and
	// unknown ones are ignored." spec.md 8.3
	tests := []struct {
		pairs []string
		want  string // multicast groups, layers, key id
		err   string
	}{
		{[]string{"txtvers=1"}, "ff3e::dfa4:97a0 232.170.128.128 1 ", ""},
		{[]string{"TXTVERS=1", "G=ff3e::8000:0", "g4=232.1.2.0", "L=16", "k=0123456789ABCDEF"}, "ff3e::8000:0 232.1.2.0 16 0123456789abcdef", ""},
		{[]string{"txtvers=1", "g=ff15::1"}, "ff15::1 232.170.128.128 1 ", ""},
		{[]string{"txtvers=1", "l=2", "l=3", "later=", "", "=", "x"}, "ff3e::dfa4:97a0 232.170.128.128 2 ", ""},
		{[]string{"txtvers=1", "k=zz"}, "ff3e::dfa4:97a0 232.170.128.128 1 ", ""},
		{[]string{"txtvers=2", "g=junk"}, "ff3e::dfa4:97a0 232.170.128.128 1 ", ""},
		{[]string{"g=ff15::1", "txtvers=1"}, "ff3e::dfa4:97a0 232.170.128.128 1 ", ""},
		{[]string{"txtvers=1", "g=2001:db8::1"}, "", "not a multicast address"},
		{[]string{"txtvers=1", "g4=192.0.2.1"}, "", "not a multicast address"},
		{[]string{"txtvers=1", "g=232.1.2.3"}, "", "g= is for IPv6"},
		{[]string{"txtvers=1", "g4=ff15::1"}, "", "g= is for IPv6"},
		{[]string{"txtvers=1", "g=::ffff:232.1.2.3"}, "", "g= is for IPv6"},
		{[]string{"txtvers=1", "g=ff12::1%eth0"}, "", "zone"},
		{[]string{"txtvers=1", "g="}, "", "not an IP address"},
		{[]string{"txtvers=1", "l=0"}, "", "1 to 16"},
		{[]string{"txtvers=1", "l=17"}, "", "1 to 16"},
		{[]string{"txtvers=1", "l=99999999999999999999"}, "", "1 to 16"},
		{[]string{"txtvers=1", "g4=239.255.255.254", "l=3"}, "", "no room for 3 layers"},
		{[]string{"txtvers=1", "l=2", "g=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, "", "no room for 2 layers"},
	}
	for _, test := range tests {
		z := newZone(t).add(service+channel, srv(1, 1, "a")).add("a", address("192.0.2.1")).
			add(service+channel, txt(test.pairs...))
		if test.err != "" {
			z.wantError(test.err)
			continue
		}
		p := z.plan(nil)
		if got := fmt.Sprint(p.Group6, " ", p.Group4, " ", p.Layers, " ", p.KeyID); got != test.want {
			t.Errorf("%q: got %s, want %s", test.pairs, got, test.want)
		}
	}
	newZone(t).add(service+channel, srv(1, 1, "a")).add("a", address("192.0.2.1")).
		add(service+channel, txt("txtvers=1", "l=2")).add(service+channel, txt("txtvers=1")).
		wantError("more than one TXT record")
}

func TestWhatNoSenderCanHaveIsIgnored(t *testing.T) {
	// "Ignored are SRV records with port 0 or with a target that is . or no name of a
	// host, and addresses that no sender can have." spec.md 8.3
	z := newZone(t).
		add(service+channel, srv(1, 0, "a")).
		add(service+channel, srv(2, 1, "")).
		add(service+channel, srv(3, 1, "\x1b[2J.example")).
		add(service+channel, srv(4, 1, "a")).
		add(service+channel, srv(5, 1, "b")).
		add("a", address("192.0.2.1"))
	z.add("a", address("::ffff:192.0.2.2")) // package net leaves it out
	wrong := []string{"::", "::1", "ff02::1", "0.0.0.0", "0.1.2.3", "127.0.0.53", "224.0.0.1", "240.0.0.1", "255.255.255.255"}
	for _, a := range wrong {
		z.add("a", address(a))
	}
	p := z.plan(nil)
	wantLevels(t, p, "4 a 192.0.2.1 1")
	wantRefused(t, p, append([]string{"not names of hosts", "port 0", "target ."}, append(wrong, "b has no address")...)...)
}

func TestNumbersAreBounded(t *testing.T) {
	// The limits of spec.md 8.3.
	z := newZone(t)
	for i := range 100 {
		host := fmt.Sprintf("host%03d", i)
		z.add(service+channel, srv(uint16(i/50), uint16(1+i), host))
		for j := range 5 {
			z.add(host, address(fmt.Sprintf("2001:db8::%d:%d", i, j)))
		}
	}
	p := z.plan(nil)
	if n := len(p.Levels[0].Sources); len(p.Levels) != 1 || n != maxSources {
		t.Errorf("got %d levels, %d sources in the first", len(p.Levels), n)
	}
	if want := int64(2 + 2*maxHosts); z.asked.Load() != want || len(p.Refused) != maxRefused {
		t.Errorf("%d questions, %d reasons; want %d, %d", z.asked.Load(), len(p.Refused), want, maxRefused)
	}
}

func TestWhatWasLookedForIsSaid(t *testing.T) {
	err := newZone(t).wantError("no SRV record at _iotupd._udp.fw.example.net: there is no such name (NXDOMAIN)")
	if !errors.As(err, new(*NotFoundError)) {
		t.Errorf("%v is not a NotFoundError", err)
	}
	newZone(t).add(service+channel, txt("txtvers=1")).
		wantError("no SRV record at _iotupd._udp.fw.example.net: there is no record of this type")
	newZone(t).add(service+channel, srv(0, 1, "")).
		wantError("no usable SRV record at _iotupd._udp.fw.example.net: SRV record with target .")
	newZone(t).add(service+channel, srv(0, 1, "a")).
		wantError("no address of a sender of fw.example.net: a has no address")
	newZone(t).add(service+channel, srv(0, 1, "a")).add("a", address("127.0.0.1")).
		wantError("a has the address 127.0.0.1, which no sender can have")
}

func TestAHostThatCannotBeResolvedKeepsItsAddresses(t *testing.T) {
	// "A host whose addresses cannot be asked for keeps those it had, for a minute."
	// spec.md 8.3
	z := newZone(t).
		add(service+channel, srv(1, 1, "a")).
		add(service+channel, srv(2, 1, "b")).
		add(service+channel, srv(2, 2, "b")).
		add("a", address("192.0.2.1")).
		add("b", address("192.0.2.2")).
		add("b", address("2001:db8::2"))
	first := z.plan(nil)
	z.broken["b"] = true
	p := z.plan(first)
	if !p.isSameUpTo(first, 2) || len(p.Levels) != 2 {
		t.Errorf("got %v, want %v", p.Levels, first.Levels)
	}
	if p.Refresh != time.Minute {
		t.Errorf("holds for %v, want a minute", p.Refresh)
	}
	wantLevels(t, z.plan(nil), "1 a 192.0.2.1 1")
	z.broken["a"] = true
	z.wantError("a: no answer")
	z.broken[service+channel] = true
	z.wantError("no answer")
}

func TestNames(t *testing.T) {
	tests := []struct{ in, want, err string }{
		{"fw.example.net", "fw.example.net", ""},
		{"FW.Example.NET.", "fw.example.net", ""},
		{"local", "local", ""},
		{"_x.xn--bcher-kva.example", "_x.xn--bcher-kva.example", ""},
		{strings.Repeat("a.", 119) + "a", strings.Repeat("a.", 119) + "a", ""},
		{strings.Repeat("a.", 120) + "aa", "", "at most 240"},
		{strings.Repeat("a", 64) + ".net", "", "1 to 63"},
		{"", "", "1 to 63"},
		{".", "", "1 to 63"},
		{"a..b", "", "1 to 63"},
		{".a", "", "1 to 63"},
		{"bücher.example", "", "xn--"},
		{"a b", "", "xn--"},
		{"-a.example", "", "hyphen"},
		{"a.example-", "", "hyphen"},
		{"a\x00b", "", "xn--"},
		{"fe80::1", "", "xn--"},
	}
	for _, test := range tests {
		got, err := ParseName(test.in)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: got %q, %v; want %q, %q", test.in, got, err, test.want, test.err)
		}
	}
}

func TestServers(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:53", "192.0.2.1:5353": "192.0.2.1:5353", "::1": "[::1]:53", "[::1]": "[::1]:53",
		"[fe80::1%eth0]:54": "[fe80::1%eth0]:54", "::ffff:192.0.2.1": "192.0.2.1:53",
	} {
		if got, err := ParseServer(in); err != nil || got.String() != want {
			t.Errorf("%q: got %v, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "name", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "224.0.0.251", "::", "[::1", "::1]", "[]"} {
		if got, err := ParseServer(in); err == nil {
			t.Errorf("%q: got %v", in, got)
		}
	}
	conf := "# comment\nnameserver 192.0.2.1\n\nnameserver\nnameserver name\noptions edns0\n" +
		"nameserver fe80::1%eth0 # local\nsearch example.net\nnameserver ::1\nnameserver 192.0.2.4"
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53"), netip.MustParseAddrPort("[::1]:53")}
	if got := parseServers(conf); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := fmt.Sprint(parseServers("search example.net\n")); got != "[127.0.0.1:53 [::1]:53]" {
		t.Errorf("without any: got %s", got)
	}
}
