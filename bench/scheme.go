// SPDX-License-Identifier: GPL-2.0-or-later

package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"iotupd/bench/orders"
	"iotupd/fec"
	"iotupd/proto"
)

// SchemeForms has an example of each form that [ParseScheme] reads, and
// OrderForms of each order.
const (
	SchemeForms = "auto | auto:PROFILE | gf8:128+128 | gf16:8192+8192 | loop | repeat:3 | raptorq | ideal"
	OrderForms  = "rows | plain | group | data-parity | windows:4 | permuted"
)

// ErrScheme is wrapped by every error about a [Scheme].
var ErrScheme = errors.New("bench: invalid scheme")

// A Scheme is a way to send a file over and over. The zero Scheme is
// auto.
type Scheme struct {
	kind    schemeKind
	profile fec.Profile  // of auto
	code    proto.Code   // of grouped
	k, m    int          // of grouped
	times   int          // of repeat
	order   orders.Order // if ordered
	text    string       // what ParseScheme reads; empty is auto
	ordered bool         // with an order modifier
}

type schemeKind uint8

const (
	auto    schemeKind = iota
	grouped            // groups as asked for
	loop
	repeat
	raptorq
	ideal
)

// ParseScheme reads a scheme:
//
//	auto               what the sender chooses for the size of the file
//	auto:tiny          the same for a profile: standard, tiny, large, fast
//	gf8:128+128        the fewest groups of at most 128 data shards each, all of
//	                   about the same size, with 128 parity shards each; at most
//	                   256 shards in all
//	gf16:8192+8192     the same, at most 65536 shards in all
//	loop               file after file without parity: who misses a packet waits
//	                   for the next loop, as with the first iotupd
//	repeat:3           the same with every packet sent 3 times in succession
//	raptorq            a fountain that obeys the failure law published for
//	                   RaptorQ; there is no such code in this program
//	ideal              the ideal fountain, of which any K packets make the file
//
// The number of parity shards stays as stated, also for a file that makes smaller
// groups. With none, as in gf8:128+0, there is no code.
//
// The order of the carousel follows after a comma, for all schemes except repeat,
// raptorq and ideal:
//
//	auto,order=rows           row after row of all groups, each beginning with a
//	                          group of its own: the order that is sent
//	auto,order=plain          row after row, each beginning with group 0
//	auto,order=group          group after group
//	auto,order=data-parity    the data of group after group, then rows of parity
//	auto,order=windows:4      row after row of 4 groups, then of the next 4
//	auto,order=permuted       at random, differently in every loop
func ParseScheme(s string) (Scheme, error) {
	head, modifier, ordered := strings.Cut(s, ",")
	name, params, _ := strings.Cut(head, ":")
	c := Scheme{text: s, ordered: ordered}
	var err error
	switch name {
	case "auto":
		if head != name {
			c.profile, err = fec.ParseProfile(params)
		}
	case "gf8":
		c.kind, c.code = grouped, proto.CodeLeopard8
		err = c.parseGroup(params)
	case "gf16":
		c.kind, c.code = grouped, proto.CodeLeopard16
		err = c.parseGroup(params)
	case "repeat":
		c.kind = repeat
		if c.times, err = strconv.Atoi(params); err != nil || c.times < 1 || c.times > maxRepeat {
			err = fmt.Errorf("wants a number from 1 to %d, as in repeat:3", maxRepeat)
		}
	case "loop", "raptorq", "ideal":
		c.kind = map[string]schemeKind{"loop": loop, "raptorq": raptorq, "ideal": ideal}[name]
		if head != name {
			err = errors.New("takes no parameter")
		}
	default:
		return Scheme{}, fmt.Errorf("%w %.60q: there is no %.40q; there are: %s", ErrScheme, s, name, SchemeForms)
	}
	if err == nil && ordered {
		err = c.parseModifier(modifier)
	}
	if err != nil {
		return Scheme{}, fmt.Errorf("%w %.60q: %w", ErrScheme, s, err)
	}
	return c, nil
}

const (
	maxRepeat     = 1000 // as in the exact model
	orderModifier = "order="
)

// ParseSchemes reads a list of schemes with commas between them. A comma
// before order= belongs to the scheme.
func ParseSchemes(list string) ([]Scheme, error) {
	var texts []string
	for item := range strings.SplitSeq(list, ",") {
		if n := len(texts); n > 0 && strings.HasPrefix(item, orderModifier) {
			texts[n-1] += "," + item
			continue
		}
		texts = append(texts, item)
	}
	var all []Scheme
	for _, text := range texts {
		c, err := ParseScheme(text)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func (c *Scheme) parseGroup(params string) error {
	k, m, ok := strings.Cut(params, "+")
	var kErr, mErr error
	c.k, kErr = strconv.Atoi(k)
	c.m, mErr = strconv.Atoi(m)
	if !ok || kErr != nil || mErr != nil || c.k < 1 || c.m < 0 {
		return fmt.Errorf("wants data and parity shards of a group, as in %v:128+128", c.code)
	}
	return checkGroup(c.code, c.k, c.m)
}

// checkGroup returns an error that says what would fit.
func checkGroup(code proto.Code, k, m int) error {
	if m == 0 && proto.CodeNone.Fits(k, 0) || code.Fits(k, m) {
		return nil
	}
	most := 1 << 16
	for most > 0 && !code.Fits(k, most) {
		most /= 2
	}
	if most == 0 {
		return fmt.Errorf("groups of %d data shards are too large for %v", k, code)
	}
	return fmt.Errorf("groups of %d data shards with %d of parity are too large for %v: the highest parity for them is %d", k, m, code, most)
}

func (c *Scheme) parseModifier(modifier string) error {
	value, ok := strings.CutPrefix(modifier, orderModifier)
	if !ok {
		return fmt.Errorf("does not know %.40q: the only modifier is order=, as in auto,order=plain", modifier)
	}
	if c.kind == repeat || c.kind == raptorq || c.kind == ideal {
		return errors.New("has no other order")
	}
	name, params, _ := strings.Cut(value, ":")
	switch value {
	case "rows":
		c.order = orders.RotatedRows()
	case "plain":
		c.order = orders.PlainRows()
	case "group":
		c.order = orders.GroupByGroup()
	case "data-parity":
		c.order = orders.DataThenParity()
	case "permuted":
		c.order = orders.Permuted()
	default:
		n, err := strconv.Atoi(params)
		if name != "windows" || err != nil || n < 1 {
			return fmt.Errorf("has no order %.40q; there are: %s", value, OrderForms)
		}
		c.order = orders.Windows(n)
	}
	return nil
}

// String returns the text from which [ParseScheme] makes c again.
func (c Scheme) String() string {
	if c.text == "" {
		return "auto"
	}
	return c.text
}

// fountain reports whether c is a scheme without sender and receiver.
func (c Scheme) fountain() bool { return c.kind == raptorq || c.kind == ideal }

// coded reports whether c has parity that can be varied.
func (c Scheme) coded() bool { return c.kind == auto || c.kind == grouped }

// carousel returns the order in which c sends its shards.
func (c Scheme) carousel() orders.Order {
	switch {
	case c.ordered:
		return c.order
	case c.kind == repeat:
		return orders.Repeated(c.times)
	case c.kind == loop:
		return orders.PlainRows() // the file from front to back
	}
	return orders.RotatedRows()
}

// geometry returns how c divides a file of size bytes into groups, with so
// many hundredths of a percent of parity, or what is c's own if negative. For
// fountains it is one of no meaning but the number of data shards.
func (c Scheme) geometry(size uint64, shardSize, parity int) (proto.Geometry, error) {
	p := proto.Params{K: 1, ShardSize: shardSize, Size: size}
	shards := (size + uint64(shardSize) - 1) / uint64(shardSize)
	var err error
	switch c.kind {
	case auto:
		policy := fec.Policy{Profile: c.profile, ShardSize: shardSize}
		if policy.Parity = max(parity, 0); parity == 0 {
			policy.Parity = -1 // none
		}
		p, err = policy.Params(size)
	case grouped:
		p.K = equalGroups(shards, uint64(c.k))
		p.M, p.Code = c.m, c.code
		if parity >= 0 {
			p.M = (p.K*parity + 9999) / 10000
		}
		if shards == 1 || p.M == 0 {
			p.M, p.Code = 0, proto.CodeNone
			break
		}
		err = checkGroup(p.Code, p.K, p.M)
	default:
		p.K = equalGroups(shards, proto.MaxK)
	}
	var g proto.Geometry
	if err == nil {
		g, err = p.Geometry()
	}
	if err != nil {
		return g, fmt.Errorf("%w %q: %w", ErrScheme, c.String(), err)
	}
	return g, nil
}

// equalGroups returns K such that the shards fill the fewest groups of at most
// most shards about equally, as [fec.Policy] does.
func equalGroups(shards, most uint64) int {
	groups := (shards + most - 1) / most
	return int((shards + groups - 1) / groups)
}

// describe says what c comes to for a file. Fountains say that they are none.
func (c Scheme) describe(g proto.Geometry) string {
	switch c.kind {
	case ideal:
		return fmt.Sprintf("bound: any %d packets", g.DataShards)
	case raptorq:
		f := newFountain(c, g.DataShards)
		return fmt.Sprintf("law: %d x %d, fails at K+n by 100^-(n+1)", f.most(), f.blocks)
	}
	text := fmt.Sprintf("%v %d+%d x %d", g.Code, g.K, g.M, g.Groups)
	if !c.coded() {
		text = fmt.Sprintf("no code: %d shards", g.DataShards)
	}
	if order := c.carousel(); c.ordered && order != orders.RotatedRows() || c.kind == repeat {
		text += ", " + order.String()
	}
	return text
}
