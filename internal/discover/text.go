// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"iotupd/proto"
)

// version is what a TXT record says first if it is one of ours.
const version = "txtvers=1"

// readTexts puts into p what the TXT records say. More than one of our version
// would be taken in the order of the day, so it is an error.
func (p *Plan) readTexts(records [][]string) error {
	var ours []string
	for _, r := range records {
		switch {
		case len(r) == 0 || !strings.EqualFold(r[0], version):
			p.refuse("a TXT record that does not start with %s", version)
		case ours != nil:
			return fmt.Errorf("there is more than one TXT record with %s", version)
		default:
			ours = r
		}
	}
	seen := make(map[string]bool)
	for _, pair := range ours {
		key, value, _ := strings.Cut(pair, "=")
		key = strings.ToLower(key)
		if seen[key] { // the first one counts (RFC 6763, 6.4)
			continue
		}
		seen[key] = true
		if err := p.readPair(key, value); err != nil {
			return fmt.Errorf("TXT %.80q: %w", pair, err)
		}
	}
	for _, g := range []netip.Addr{p.Group6, p.Group4} {
		if !proto.LayersFit(g, p.Layers) {
			return fmt.Errorf("group %v leaves no room for %d layers", g, p.Layers)
		}
	}
	return nil
}

// readPair reads a key and its value. A wrong multicast group would be silence,
// so it is an error; keys that are not known are left to later versions.
func (p *Plan) readPair(key, value string) (err error) {
	switch key {
	case "g":
		p.Group6, err = parseGroup(value, netip.Addr.Is6)
	case "g4":
		p.Group4, err = parseGroup(value, netip.Addr.Is4)
	case "l":
		p.Layers, err = strconv.Atoi(value)
		if err != nil || !proto.ValidLayers(p.Layers) {
			return fmt.Errorf("want a number of layers from 1 to %d", proto.MaxLayers)
		}
	case "k":
		id, err := hex.DecodeString(value)
		if err != nil || len(id) != len(proto.KeyID{}) {
			p.refuse("TXT %.80q: not a key id of %d hexadecimal digits", key+"="+value, 2*len(proto.KeyID{}))
			return nil
		}
		p.KeyID = hex.EncodeToString(id)
	}
	return err
}

// parseGroup reads the address of a multicast group of the family that is asked
// for.
func parseGroup(s string, family func(netip.Addr) bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		return a, errors.New("not an IP address")
	case !family(a) || a.Is4In6():
		return a, errors.New("g= is for IPv6, g4= for IPv4")
	case a.Zone() != "":
		return a, errors.New("a zone means nothing on another host")
	case !proto.IsMulticastGroup(a):
		return a, errors.New("not a multicast address; those are ff00::/8 and 224.0.0.0/4")
	}
	return a, nil
}
