// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"iotupd/internal/quantity"
	"iotupd/proto"
)

// A rate is in bits per second of whole IP packets, and any 10 s keep to it.
func TestTheRateOnTheWireIsTheRateAskedFor(t *testing.T) {
	const window = 10 * time.Second
	rounds := [][]string{{"100k", "1M", "10M", "100M"}} // those of a round at the same time
	if full {
		rounds = append(rounds, []string{"1G"})
	}
	source := newFile(t, 16*mib)
	for _, rates := range rounds {
		var meters []*host
		for _, rate := range rates {
			l := newLab(t)
			l.host(bothFamilies).send(source, "--rate", rate).wait("sending")
			meters = append(meters, l.host(bothFamilies))
		}
		time.Sleep(time.Second) // the start is not the point
		before := make([]count, len(meters))
		for i, m := range meters {
			before[i] = m.count()
		}
		time.Sleep(window)
		for i, m := range meters {
			after := m.count()
			seconds := after.at.Sub(before[i].at).Seconds()
			packets := after.seen.Packets - before[i].seen.Packets
			got := float64(8*(after.seen.Bytes-before[i].seen.Bytes)) / seconds
			var asked quantity.Rate
			if err := asked.Set(rates[i]); err != nil {
				t.Fatal(err)
			}
			ratio := got / float64(asked)
			t.Logf("--rate %-4s: %7d packets in %.3f s, %v, %.4f of what was asked for", rates[i], packets, seconds, quantity.Rate(got), ratio)
			if ratio < 0.98 || ratio > 1.02 {
				t.Errorf("--rate %s: %.4f of it on the wire, want 0.98 to 1.02", rates[i], ratio)
			}
		}
	}
}

// How long a user waits for the first byte is for people to judge.
func TestTimeFromStartToTheFirstData(t *testing.T) {
	sizes := []int64{16 * mib, 64 * mib}
	if full {
		sizes = append(sizes, 1024*mib)
	}
	l := newLab(t)
	sender, listener := l.host(bothFamilies), l.host(bothFamilies)
	conn := listener.listen(proto.ChannelGroups("iotupd").IPv6)
	for _, size := range sizes {
		source := newFile(t, size)
		for _, cache := range []string{"first", "second"} {
			s := sender.send(source)
			manifest := firstPacket(t, conn, proto.TypeManifest).Sub(s.started)
			data := firstPacket(t, conn, proto.TypeData).Sub(s.started)
			s.stop()
			for conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); ; {
				if _, err := conn.Read(make([]byte, 2000)); err != nil {
					break // nothing is left of this sender
				}
			}
			t.Logf("%4d MiB, %s run: manifest after %.3f s, data after %.3f s", size/mib, cache, manifest.Seconds(), data.Seconds())
		}
	}
}

// listen joins a group on a host.
func (h *host) listen(group netip.Addr) (conn *net.UDPConn) {
	h.t.Helper()
	h.within(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		conn, err = net.ListenMulticastUDP("udp", ifi, net.UDPAddrFromAddrPort(netip.AddrPortFrom(group, proto.DefaultPort)))
		return err
	})
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// firstPacket returns when the next packet of a type comes.
func firstPacket(t *testing.T, conn *net.UDPConn, typ proto.Type) time.Time {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience()))
	b := make([]byte, 2000)
	for {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if h, _, err := proto.Parse(b[:n]); err == nil && h.Type == typ {
			return now
		}
	}
}
