// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resolvConf names the name servers of the host. Tests have their own.
var resolvConf = "/etc/resolv.conf"

// rounds is how often every server is asked before one gives up.
const rounds = 2

// maxTime bounds a resolution, with all its questions.
const maxTime = time.Minute

var errTime = fmt.Errorf("the name servers have not answered all questions within %v", maxTime)

// A Resolver asks name servers. The zero value asks the name servers of the host.
// Its methods may be called from any goroutine.
type Resolver struct {
	// Servers are asked in turn until one answers. If none, they are those of
	// /etc/resolv.conf, which is read each time.
	Servers []netip.AddrPort

	// Timeout is how long a server may take for one answer. If zero, 2 s.
	Timeout time.Duration

	dial dialFunc // nil: that of package net
}

// A dialFunc opens a connection, as [net.Dialer.DialContext] does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (r Resolver) withDefaults() (Resolver, error) {
	if r.Timeout == 0 {
		r.Timeout = 2 * time.Second
	}
	if r.dial == nil {
		r.dial = new(net.Dialer).DialContext
	}
	if len(r.Servers) > 0 {
		r.Servers = slices.Clone(r.Servers)
		return r, nil
	}
	text, err := os.ReadFile(resolvConf)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("no %s here that names a name server: name one by --resolver", resolvConf)
	}
	if err != nil {
		return r, err
	}
	r.Servers = parseServers(string(text))
	return r, nil
}

// Resolve asks where channel name, as of [ParseName], is sent now. The old plan,
// which may be nil, provides the addresses of hosts that cannot be resolved just
// now. The error is a [NotFoundError] if there are no records.
func (r Resolver) Resolve(ctx context.Context, name string, old *Plan) (*Plan, error) {
	r, err := r.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	return resolve(ctx, r, name, old)
}

// lookupSRV returns the SRV records at name, in random order. Records whose
// target is not a valid host name are left out; invalid reports whether there
// were any. If there is no SRV record, the error is a [NotFoundError].
func (r Resolver) lookupSRV(ctx context.Context, name string) (found []*net.SRV, invalid bool, err error) {
	answer, err := r.ask(ctx, "SRV", name, func(ctx context.Context, n *net.Resolver) error {
		_, records, err := n.LookupSRV(ctx, "", "", name+".")
		if found = records; found == nil {
			return err
		}
		invalid = err != nil // the only error that comes with records
		return nil
	})
	switch {
	case err != nil || found != nil:
		return found, invalid, err
	case answer.code() == dnsmessage.RCodeNameError:
		return nil, false, &NotFoundError{"no SRV record at " + name, "there is no such name (NXDOMAIN)"}
	}
	return nil, false, &NotFoundError{"no SRV record at " + name, "there is no record of this type"}
}

// lookupTXT returns the strings of each TXT record at name.
func (r Resolver) lookupTXT(ctx context.Context, name string) ([][]string, error) {
	answer, err := r.ask(ctx, "TXT", name, func(ctx context.Context, n *net.Resolver) error {
		_, err := n.LookupTXT(ctx, name+".") // the strings of a record are joined here
		return err
	})
	return answer.texts(), err
}

// lookupAddr returns the addresses of one family of a host, sorted. Entries in
// /etc/hosts override DNS.
func (r Resolver) lookupAddr(ctx context.Context, host string, f family) (addrs []netip.Addr, err error) {
	_, err = r.ask(ctx, f.record, host, func(ctx context.Context, n *net.Resolver) (err error) {
		addrs, err = n.LookupNetIP(ctx, f.network, host+".")
		return err
	})
	for i, a := range addrs {
		addrs[i] = a.Unmap() // package net returns IPv4 addresses in both forms
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs, err
}

// A family is a version of IP.
type family struct {
	record  string // DNS record type
	network string // name in package net
}

var (
	ipv6 = family{"AAAA", "ip6"}
	ipv4 = family{"A", "ip4"}
)

// ask runs one lookup by package net against each server in turn, until one
// answers, and returns the answer. "No such record" is an answer too. The server
// that answers moves to the front of r.Servers, which belongs to one call of
// Resolve.
//
// lookup must pass names with a final dot, or package net would also try the
// search domains of /etc/resolv.conf.
func (r Resolver) ask(ctx context.Context, record, name string, lookup func(context.Context, *net.Resolver) error) (message, error) {
	var failed error
	for range rounds {
		for i, server := range r.Servers {
			if ctx.Err() != nil {
				break
			}
			t := tap{server: server.String(), dialer: r.dial}
			within, cancel := context.WithTimeout(ctx, r.Timeout)
			err := lookup(within, &net.Resolver{PreferGo: true, Dial: t.dial})
			cancel()
			if err == nil || isNone(err) {
				r.Servers[0], r.Servers[i] = server, r.Servers[0]
				return t.message(), nil
			}
			failed = fmt.Errorf("name server %v, asked for %s of %s: %w", server, record, name, r.explain(err, t.message()))
		}
	}
	return nil, cmp.Or(context.Cause(ctx), failed)
}

// isNone reports whether an error of package net means that there is no such
// record, or no address of the requested family.
func isNone(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound || errors.As(err, new(*net.AddrError))
}

// explain says why a lookup by package net failed. last is the last message of
// the server, or nil.
func (r Resolver) explain(err error, last message) error {
	var e *net.DNSError
	switch {
	case !errors.As(err, &e):
		return err
	case e.IsTimeout:
		return fmt.Errorf("no answer within %v", r.Timeout)
	case strings.HasSuffix(e.Err, "EOF"):
		return errors.New("it closed the connection without an answer")
	case last.code() != dnsmessage.RCodeSuccess:
		return fmt.Errorf("it answers %s", strings.TrimPrefix(last.code().String(), "RCode"))
	}
	why := strings.Split(e.Err, ": ") // as in "read udp ADDR->ADDR: connection refused"
	return errors.New(why[len(why)-1])
}
