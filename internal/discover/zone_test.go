// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// addText adds the records of a zone file, as Zone prints them.
func (z *zone) addText(text string) {
	z.t.Helper()
	for line := range strings.Lines(text) {
		var name, typ, data string
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5)
		if len(fields) != 5 || fields[1] != fmt.Sprint(zoneTTL) || fields[2] != "IN" {
			z.t.Fatalf("not a record: %q", line)
		}
		name, typ, data = strings.TrimSuffix(fields[0], "."), fields[3], fields[4]
		var body dnsmessage.ResourceBody
		switch typ {
		case "SRV":
			var priority, weight, port uint16
			var target string
			if n, err := fmt.Sscan(data, &priority, &weight, &port, &target); n != 4 || err != nil {
				z.t.Fatalf("%q: %v", line, err)
			}
			body = srv(priority, port, strings.TrimSuffix(target, "."))
		case "TXT":
			body = txt(strings.Split(strings.Trim(data, `"`), `" "`)...)
		default:
			body = address(data)
		}
		z.add(name, body)
	}
}

func TestWhatIsPrintedIsFound(t *testing.T) {
	tests := []struct {
		sender Sender
		want   string // the source, and the rest of the plan
	}{
		{Sender{Host: "rack1.example.net", Port: 18868, Group: netip.MustParseAddr("ff3e::dfa4:97a0"),
			Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}},
			"10 rack1.fw.example.net 2001:db8::1 18868 ff3e::dfa4:97a0 232.170.128.128 1 "},
		{Sender{Host: "Müller's PC", Port: 1, Group: netip.MustParseAddr("239.1.2.0"), Layers: 4, KeyID: "0123456789abcdef",
			Addrs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}},
			"10 m-ller-s-pc.fw.example.net 10.1.2.3 1 ff3e::dfa4:97a0 239.1.2.0 4 0123456789abcdef"},
		{Sender{Host: "", Port: 2, Group: netip.MustParseAddr("232.1.2.0"), Addrs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}},
			"10 sender.fw.example.net 10.1.2.3 2 ff3e::dfa4:97a0 232.1.2.0 1 "},
	}
	for _, test := range tests {
		test.sender.Name = channel
		text, err := Zone(test.sender)
		if err != nil {
			t.Errorf("%+v: %v", test.sender, err)
			continue
		}
		z := newZone(t)
		z.addText(text)
		p := z.plan(nil)
		s := p.Levels[0].Sources[0]
		got := fmt.Sprint(p.Levels[0].Priority, " ", s.Host, " ", s.Addr, " ", s.Port, " ", p.Group6, " ", p.Group4, " ", p.Layers, " ", p.KeyID)
		if got != test.want || p.Refused != nil {
			t.Errorf("got  %s\nwant %s\nrefused %q, of\n%s", got, test.want, p.Refused, text)
		}
	}
}

func TestOnlyAddressesThatMeanSomethingElsewhereArePrinted(t *testing.T) {
	addrs := func(list ...string) (a []netip.Addr) {
		for _, s := range list {
			a = append(a, netip.MustParseAddr(s))
		}
		return a
	}
	s := Sender{Name: channel, Port: 1, Group: netip.MustParseAddr("ff15::"),
		Addrs: addrs("fe80::1", "fd00::1", "::1", "10.1.2.3", "fd00::2%eth0", "2001:db8::1")}
	text, err := Zone(s)
	if err != nil || strings.Count(text, "\n") != 4 || !strings.Contains(text, "AAAA fd00::1\n") || !strings.Contains(text, "AAAA 2001:db8::1\n") {
		t.Errorf("got %q, %v; want fd00::1 and 2001:db8::1", text, err)
	}
	s.Addrs = addrs("fe80::1", "10.1.2.3")
	if text, err := Zone(s); err == nil || !strings.Contains(err.Error(), "fe80::1") {
		t.Errorf("got %q, %v", text, err)
	}
	s.Group, s.Addrs = netip.MustParseAddr("232.1.2.0"), addrs("169.254.1.2", "127.0.0.1")
	if text, err := Zone(s); err == nil {
		t.Errorf("got %q", text)
	}
}
