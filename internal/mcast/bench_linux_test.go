// SPDX-License-Identifier: GPL-2.0-or-later

package mcast_test

import (
	"net/netip"
	"testing"
	"time"

	"iotupd/internal/mcast"
	"iotupd/internal/mcast/mcasttest"
)

// BenchmarkCable sends from one namespace to another as fast as the sender can,
// and reports the rate and the share that arrived. Both ends, and the kernel
// between them, share the processors.
func BenchmarkCable(b *testing.B) {
	for _, group := range []netip.Addr{group6, group4} {
		for name, offload := range offloads {
			b.Run(group.String()+"/"+name, func(b *testing.B) { benchmarkCable(b, group, offload) })
		}
	}
}

func benchmarkCable(b *testing.B, group netip.Addr, offload mcast.Offload) {
	const size, batch = 1232, 45
	peer := mcasttest.NewPeer(b, "rx0", "tx0")
	mcasttest.Command(b, "ip addr add 10.77.0.1/24 dev rx0")
	peer.Command("ip addr add 10.77.0.2/24 dev tx0")
	l, err := mcast.Listen(mcast.ListenConfig{Groups: []netip.Addr{group}, Port: 18868, Interfaces: []string{"rx0"}, Offload: offload})
	if err != nil {
		b.Fatal(err)
	}
	got, socket := make(chan int), l.Sockets()[0]
	go func() {
		n := 0
		for batch := mcast.NewBatch(16); socket.ReadBatch(batch) == nil; {
			n += batch.Len()
		}
		got <- n
	}()
	var c *mcast.Conn
	peer.Do(func() {
		var tx0 mcast.Interface
		if tx0, err = mcast.InterfaceByName("tx0"); err == nil {
			c, err = mcast.Dial(mcast.SendConfig{Group: group, Port: 18868, Interface: tx0, Offload: offload})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()

	buf := make([]byte, batch*size)
	b.SetBytes(size * batch)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.WriteSegments(buf, size); err != nil {
			b.Fatal(err)
		}
	}
	sent, elapsed := b.N*batch, b.Elapsed()
	time.Sleep(50 * time.Millisecond) // let the receiver finish
	l.Close()
	b.ReportMetric(float64(elapsed.Nanoseconds())/float64(sent), "ns/datagram")
	b.ReportMetric(float64(sent*size*8)/float64(elapsed.Nanoseconds()), "Gbit/s")
	b.ReportMetric(100*float64(<-got)/float64(sent), "%received")
}
