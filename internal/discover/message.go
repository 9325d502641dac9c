// SPDX-License-Identifier: GPL-2.0-or-later

package discover

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// payloadSize is the largest UDP message that is asked for (EDNS0): it crosses
	// every IPv6 link in one piece.
	payloadSize = 1232

	maxRecords = 256 // of an answer
	maxAliases = 8   // CNAME records, one after the other

	// negativeTTL is how long it may be kept that there is no record, if the server
	// does not say.
	negativeTTL = 5 * time.Minute
)

var (
	// errNotOurs means that a message answers another question, or none; the right
	// answer may still come.
	errNotOurs = errors.New("not the answer to the question")

	// errTruncated means that the whole answer can be had over TCP only.
	errTruncated = errors.New("answer cut short")
)

// appendQuery appends a message that asks q.
func appendQuery(b []byte, id uint16, q dnsmessage.Question) ([]byte, error) {
	m := dnsmessage.NewBuilder(b, dnsmessage.Header{ID: id, RecursionDesired: true})
	var opt dnsmessage.ResourceHeader
	err := errors.Join(m.StartQuestions(), m.Question(q), m.StartAdditionals(),
		opt.SetEDNS0(payloadSize, dnsmessage.RCodeSuccess, false), m.OPTResource(opt, dnsmessage.OPTResource{}))
	if err != nil {
		return nil, err
	}
	return m.Finish()
}

// An answer is what a server says to one question. The records are those of the
// name that was asked for, or of the one that it is an alias of; none at all
// means that there is none.
type answer struct {
	services  []dnsmessage.SRVResource
	texts     [][]string
	addresses []netip.Addr

	noName bool          // there is no record of any type either (NXDOMAIN)
	ttl    time.Duration // how long this may be kept
}

func (a *answer) empty() bool { return len(a.services)+len(a.texts)+len(a.addresses) == 0 }

// parseAnswer reads the message that shall answer question q. Only the answer
// section counts: an address that nobody asked for is no use to us, whoever
// added it.
func parseAnswer(msg []byte, id uint16, q dnsmessage.Question) (answer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != id || h.OpCode != 0 {
		return answer{}, errNotOurs
	}
	if got, err := p.Question(); err != nil || got != q {
		return answer{}, errNotOurs
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return answer{}, errNotOurs
	}
	switch h.RCode {
	case dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError:
	default:
		return answer{}, fmt.Errorf("it answers %s", strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	if h.Truncated {
		return answer{}, errTruncated
	}
	s, err := readSection(&p)
	if err != nil {
		return answer{}, fmt.Errorf("malformed answer: %w", err)
	}
	a, err := s.answer(q)
	if err != nil {
		return answer{}, err
	}
	if !a.empty() {
		return a, nil
	}
	if h.RCode == dnsmessage.RCodeSuccess && !h.Authoritative && !h.RecursionAvailable {
		return answer{}, errors.New("it does not know, and asks nobody else")
	}
	a.noName = h.RCode == dnsmessage.RCodeNameError
	a.ttl = min(a.ttl, readNegativeTTL(&p))
	return a, nil
}

// A section is the records of an answer, of all names.
type section struct {
	aliases map[string]alias // by name
	records []record
}

type alias struct {
	to  string
	ttl time.Duration
}

type record struct {
	name string
	typ  dnsmessage.Type
	ttl  time.Duration
	body any // SRVResource, TXTResource, netip.Addr
}

// readSection reads the answer section.
func readSection(p *dnsmessage.Parser) (section, error) {
	s := section{aliases: make(map[string]alias)}
	for range maxRecords {
		h, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if err := s.read(p, h); err != nil {
			return s, err
		}
	}
	if _, err := p.AnswerHeader(); err != dnsmessage.ErrSectionDone {
		return s, fmt.Errorf("more than %d records", maxRecords)
	}
	return s, nil
}

// read reads one record. Those of types that are never asked for are skipped.
func (s *section) read(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) error {
	name := canonical(h.Name)
	r := record{name: name, typ: h.Type, ttl: seconds(h.TTL)}
	var err error
	switch {
	case h.Class != dnsmessage.ClassINET:
		return p.SkipAnswer()
	case h.Type == dnsmessage.TypeCNAME:
		var c dnsmessage.CNAMEResource
		if c, err = p.CNAMEResource(); err == nil {
			s.aliases[name] = alias{canonical(c.CNAME), r.ttl}
		}
		return err
	case h.Type == dnsmessage.TypeSRV:
		r.body, err = p.SRVResource()
	case h.Type == dnsmessage.TypeTXT:
		r.body, err = p.TXTResource()
	case h.Type == dnsmessage.TypeA && h.Length == 4:
		var a dnsmessage.AResource
		a, err = p.AResource()
		r.body = netip.AddrFrom4(a.A)
	case h.Type == dnsmessage.TypeAAAA && h.Length == 16:
		var a dnsmessage.AAAAResource
		a, err = p.AAAAResource()
		r.body = netip.AddrFrom16(a.AAAA)
	default:
		return p.SkipAnswer()
	}
	s.records = append(s.records, r)
	return err
}

// answer picks the records that q asked for.
func (s *section) answer(q dnsmessage.Question) (answer, error) {
	a := answer{ttl: maxTTL}
	name := canonical(q.Name)
	for range maxAliases {
		if next, ok := s.aliases[name]; ok {
			name, a.ttl = next.to, min(a.ttl, next.ttl)
		}
	}
	if _, ok := s.aliases[name]; ok {
		return a, fmt.Errorf("more than %d aliases in a row", maxAliases)
	}
	for _, r := range s.records {
		if r.name != name || r.typ != q.Type {
			continue
		}
		switch body := r.body.(type) {
		case dnsmessage.SRVResource:
			a.services = append(a.services, body)
		case dnsmessage.TXTResource:
			a.texts = append(a.texts, body.TXT)
		case netip.Addr:
			a.addresses = append(a.addresses, body)
		}
		a.ttl = min(a.ttl, r.ttl)
	}
	return a, nil
}

// readNegativeTTL reads from the authority section how long it may be kept that
// there is no such record (RFC 2308, 5).
func readNegativeTTL(p *dnsmessage.Parser) time.Duration {
	for range maxRecords {
		h, err := p.AuthorityHeader()
		if err != nil {
			break
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				break
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			break
		}
		return min(seconds(h.TTL), seconds(soa.MinTTL))
	}
	return negativeTTL
}

// canonical returns a name as names are compared: in lower case, and without
// the final dot that all of them have.
func canonical(n dnsmessage.Name) string {
	return strings.ToLower(strings.TrimSuffix(n.String(), "."))
}

// seconds returns a time to live. With the highest bit set it counts as zero
// (RFC 2181, 8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}
