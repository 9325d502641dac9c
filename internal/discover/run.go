// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
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

// A Resolver asks name servers. The zero value asks those of the host. Its
// methods may be called from any goroutine.
type Resolver struct {
	// Servers are asked in turn until one answers. If none, they are those of
	// /etc/resolv.conf, which is read each time.
	Servers []netip.AddrPort

	// Timeout is how long a server may take for one answer. If zero, 2 s.
	Timeout time.Duration
}

func (r Resolver) withDefaults() (Resolver, error) {
	if r.Timeout == 0 {
		r.Timeout = 2 * time.Second
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

// Resolve asks where channel name, as of [ParseName], can be heard now. The old
// plan, which may be nil, fills in for hosts that nobody can tell the addresses
// of just now. The error is a [NotFoundError] if there are no records.
func (r Resolver) Resolve(ctx context.Context, name string, old *Plan) (*Plan, error) {
	r, err := r.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	return resolve(ctx, r.ask, name, old)
}

// ask asks the servers in turn. The one that answers is the first to be asked
// the next time: r.Servers belongs to one call of Resolve.
func (r Resolver) ask(ctx context.Context, name string, typ dnsmessage.Type) (answer, error) {
	n, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return answer{}, err
	}
	q := dnsmessage.Question{Name: n, Type: typ, Class: dnsmessage.ClassINET}
	for range rounds {
		for i, server := range r.Servers {
			var a answer
			if a, err = r.exchange(ctx, server, q); err == nil {
				r.Servers[0], r.Servers[i] = server, r.Servers[0]
				return a, nil
			}
			if ctx.Err() != nil {
				return answer{}, context.Cause(ctx)
			}
			err = fmt.Errorf("name server %v, asked for %v of %s: %w", server, typeName(typ), name, err)
		}
	}
	return answer{}, err
}

func typeName(typ dnsmessage.Type) string { return typ.String()[len("Type"):] }

// exchange asks one server once.
func (r Resolver) exchange(ctx context.Context, server netip.AddrPort, q dnsmessage.Question) (answer, error) {
	a, err := r.exchangeOver(ctx, "udp", server, q)
	if errors.Is(err, errTruncated) {
		return r.exchangeOver(ctx, "tcp", server, q)
	}
	return a, err
}

// exchangeOver asks over a socket of its own, so that whoever wants to answer
// in place of the server has to guess its port, and the id.
func (r Resolver) exchangeOver(ctx context.Context, network string, server netip.AddrPort, q dnsmessage.Question) (answer, error) {
	var random [2]byte
	rand.Read(random[:]) // never fails
	id := binary.BigEndian.Uint16(random[:])
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return answer{}, r.explain(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })()
	query, err := appendQuery(make([]byte, 2, 512), id, q)
	if err != nil {
		return answer{}, err
	}
	read := readMessage
	if network == "tcp" {
		binary.BigEndian.PutUint16(query, uint16(len(query)-2))
		read = readStream
	} else {
		query = query[2:]
	}
	if _, err := conn.Write(query); err != nil {
		return answer{}, r.explain(err)
	}
	for {
		msg, err := read(conn)
		if err != nil {
			return answer{}, r.explain(err)
		}
		if a, err := parseAnswer(msg, id, q); !errors.Is(err, errNotOurs) {
			return a, err
		}
	}
}

// readMessage reads a UDP message, of whatever size.
func readMessage(r io.Reader) ([]byte, error) {
	b := make([]byte, 1<<16)
	n, err := r.Read(b)
	return b[:n], err
}

// readStream reads a message from a TCP connection.
func readStream(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// explain puts into words what a failure of the network means.
func (r Resolver) explain(err error) error {
	var failed net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it closed the connection without an answer")
	case errors.As(err, &failed) && failed.Timeout():
		return fmt.Errorf("no answer within %v", r.Timeout)
	case errors.As(err, &op):
		return op.Err // without the addresses, which are known
	}
	return err
}
