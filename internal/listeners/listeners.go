// SPDX-License-Identifier: GPL-2.0-or-later

// Package listeners finds out whether anybody on a link listens to a multicast
// group: it reads along what hosts report to routers, by IGMP and MLD of all
// versions, and says nothing itself.
//
// A host reports when it joins, and again whenever a querier on the link, that
// is a router or a switch, asks all hosts; when it leaves, it says so. Hence
//
//   - a join is heard at once, and again with every query;
//   - a leave is heard at once, and counts after two seconds, in which the querier
//     asks who else is there;
//   - a host that vanishes without a word has left when it answered neither of two
//     queries in a row. Without a querier it never has;
//   - a host that had joined before the watch began is heard when it answers the
//     next query, up to two minutes later, or when it joins again.
//
// Memberships of the own host count too, from the start.
//
// Some switches pass reports on to routers alone. Behind such a one nobody is
// ever heard, unless the switch takes the port of this host for a router's. Nor
// is anybody behind a router, unless it reports for them, as proxies do.
package listeners

import (
	"errors"
	"log/slog"
	"net/netip"
)

// A Config says what to watch.
type Config struct {
	Interface string     // name of the one that leads to the link
	Group     netip.Addr // multicast

	// Logger, if not nil, gets a record of whatever prevents listeners from being
	// noticed.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// ErrUnsupported is the error of [Open] on systems other than Linux.
var ErrUnsupported = errors.New("who listens can be watched on Linux only")
