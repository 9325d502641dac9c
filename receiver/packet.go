// SPDX-License-Identifier: GPL-2.0-or-later

package receiver

import (
	"iotupd/proto"
	"iotupd/proto/seal"
)

// A packet is a datagram on its way through the checks of spec.md 7.1.
type packet struct {
	from Origin
	proto.Header
	datagram []byte
	payload  []byte // encrypted as long as sealed is set
	sealed   bool
}

// An identity is the id of an object on the wire: in sealed packets the keyed
// form of it.
type identity struct {
	wire   proto.ObjectID
	group  *seal.GroupKey // group key that the id is keyed with; nil: not sealed
	cipher *seal.Cipher
}

// proves reports whether d is the descriptor of the object.
func (i *identity) proves(d proto.Descriptor) bool {
	id := d.Object()
	if i.group != nil {
		id = i.group.Object(id)
	}
	return id == i.wire
}

// open decrypts the payload of a sealed packet of object i into b, and returns
// b.
func (p *packet) open(i *identity, b []byte) ([]byte, error) {
	if !p.sealed {
		return b, nil
	}
	b, err := i.cipher.Open(b[:0], &p.Header, p.datagram, p.payload)
	if err == nil {
		p.payload, p.sealed = b, false
	}
	return b, err
}

// identify finds out by which group key a sealed packet of a new object was
// made: the hint picks candidates, and only the right one opens it.
func (s *shared) identify(p *packet) (id identity, err error) {
	if !p.sealed {
		return identity{wire: p.Object}, nil
	}
	err = ReasonSealed
	for _, g := range s.cfg.GroupKeys {
		if g.Hint() != p.KeyHint {
			continue
		}
		id = identity{wire: p.Object, group: g, cipher: g.Cipher(p.Object)}
		if s.plain, err = p.open(&id, s.plain); err == nil {
			return id, nil
		}
	}
	return identity{}, err
}
