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

// "The rate is in bits per second of whole IP packets of all types." spec.md 6.3:
// a sender is not faster than --rate, by the counters of the kernel. That it is not
// slower either is tested in virtual time, in package sender: here a test of that
// would depend on what else this machine is doing.
func TestASenderIsNotFasterThanItsRate(t *testing.T) {
	m := newMeters(t, newFile(t, mib), "100k", "1M", "10M")
	start := time.Now()
	before := m.count()
	eventually(t, "the slowest sender has sent 30 packets", func() bool {
		return m.hosts[0].count().seen.Packets >= before[0].seen.Packets+30
	})
	after := m.count()
	seconds := time.Since(start).Seconds() // or less
	for i, rate := range m.rates {
		const (
			debt  = 0.1 // seconds that a sender may catch up after a stall
			slack = 0.02
		)
		got, most := bits(before[i], after[i]), float64(rate)*(seconds+debt)*(1+slack)
		t.Logf("%v: %.0f bits in at most %.3f s, %.4f of what the rate allows", rate, got, seconds, got/most)
		if got > most || got == 0 {
			t.Errorf("%v: %.0f bits in %.3f s, want some, and at most %.0f", rate, got, seconds, most)
		}
	}
}

// How exactly this machine keeps to a rate is measured and not asserted.
func TestTheRateOnTheWire(t *testing.T) {
	needsFull(t)
	source := newFile(t, 16*mib)
	for _, rates := range [][]string{{"100k", "1M", "10M", "100M"}, {"1G"}} { // all rates of a round at the same time
		m := newMeters(t, source, rates...)
		time.Sleep(time.Second) // the start is not the point
		start, before := time.Now(), m.count()
		time.Sleep(10 * time.Second)
		seconds, after := time.Since(start).Seconds(), m.count()
		for i, rate := range m.rates {
			got := bits(before[i], after[i]) / seconds
			t.Logf("--rate %-4s: %7d packets in %.3f s, %v, %.4f of what was asked for", rates[i],
				after[i].seen.Packets-before[i].seen.Packets, seconds, quantity.Rate(got), got/float64(rate))
		}
	}
}

// Meters are hosts, each of which hears a sender of its own.
type meters struct {
	rates []quantity.Rate
	hosts []*host
}

// newMeters starts a sender of a file for each rate.
func newMeters(t *testing.T, source string, rates ...string) (m meters) {
	t.Helper()
	for _, text := range rates {
		var rate quantity.Rate
		if err := rate.Set(text); err != nil {
			t.Fatal(err)
		}
		l := newLab(t)
		l.host(bothFamilies).send(source, "--rate", text).wait("sending")
		m.rates, m.hosts = append(m.rates, rate), append(m.hosts, l.host(bothFamilies))
	}
	return m
}

// count returns what each has seen.
func (m meters) count() (all []count) {
	for _, h := range m.hosts {
		all = append(all, h.count())
	}
	return all
}

// bits returns what was seen from one count to the next.
func bits(before, after count) float64 {
	return float64(8 * (after.seen.Bytes - before.seen.Bytes))
}

// How long a user waits for the first byte is measured and not asserted.
func TestTimeFromStartToTheFirstData(t *testing.T) {
	needsFull(t)
	sizes := []int64{16 * mib, 64 * mib, 1024 * mib}
	l := newLab(t)
	sender, listener := l.host(bothFamilies), l.host(bothFamilies)
	conn := listener.listen(proto.ChannelAddresses("iotupd").IPv6)
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
	conn.SetReadDeadline(time.Now().Add(waitLimit()))
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
