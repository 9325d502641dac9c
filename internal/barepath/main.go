// SPDX-License-Identifier: GPL-2.0-or-later

//go:build linux

// Command barepath sends or receives numbered multicast datagrams, and does
// nothing else: a transfer on the same path cannot be faster.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

func main() {
	name := flag.String("i", "lo", "name of the interface")
	group := flag.String("g", "ff15::77:1", "multicast group, IPv6 or IPv4")
	count := flag.Int("count", 100_000, "number of datagrams to send, or to expect")
	size := flag.Int("bytes", 1408, "UDP payload of each datagram, at least 8")
	output := flag.String("o", "", "receive instead of sending, and write the payloads to this file")
	flag.Parse()
	ifi, err := net.InterfaceByName(*name)
	check(err)
	to := &net.UDPAddr{IP: net.ParseIP(*group), Port: 18869, Zone: *name}
	if *output == "" {
		send(ifi, to, *count, *size)
		return
	}
	n, last := receive(listen(ifi, to), *count, *size, *output)
	fmt.Printf("%d of %d datagrams, the last at %.6f\n", n, *count, float64(last.UnixMicro())/1e6)
}

func check(err error) {
	if err != nil {
		log.Fatalln("barepath:", err)
	}
}

func newBatch(to net.Addr, size int) []ipv6.Message {
	messages := make([]ipv6.Message, 64)
	for i := range messages {
		messages[i] = ipv6.Message{Addr: to, Buffers: [][]byte{make([]byte, size)}}
	}
	return messages
}

// What ipv6.PacketConn does with batches is the same for IPv4.

func send(ifi *net.Interface, to *net.UDPAddr, count, size int) {
	var p *ipv6.PacketConn
	if to.IP.To4() == nil {
		c, err := net.ListenPacket("udp6", ":0")
		check(err)
		p = ipv6.NewPacketConn(c)
	} else {
		c, err := net.ListenPacket("udp4", ":0")
		check(err)
		check(ipv4.NewPacketConn(c).SetMulticastInterface(ifi))
		p, to.Zone = ipv6.NewPacketConn(c), ""
	}
	messages := newBatch(to, size)
	for sent := 0; sent < count; {
		for i, m := range messages {
			binary.BigEndian.PutUint64(m.Buffers[0], uint64(sent+i))
		}
		n, err := p.WriteBatch(messages[:min(len(messages), count-sent)], 0)
		check(err)
		sent += n
	}
}

func listen(ifi *net.Interface, group *net.UDPAddr) *net.UDPConn {
	c, err := net.ListenMulticastUDP("udp", ifi, group)
	check(err)
	rc, err := c.SyscallConn()
	check(err)
	check(rc.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20) }))
	return c
}

// receive ends with the last datagram that it expects, or a second after the
// last one that arrived.
func receive(c *net.UDPConn, count, size int, name string) (n int, last time.Time) {
	f, err := os.Create(name)
	check(err)
	messages := newBatch(nil, size)
	for err == nil && n < count {
		var k int
		k, err = ipv6.NewPacketConn(c).ReadBatch(messages, 0)
		for _, m := range messages[:max(k, 0)] {
			payload := m.Buffers[0][:m.N]
			_, err := f.WriteAt(payload, int64(binary.BigEndian.Uint64(payload))*int64(size))
			check(err)
		}
		n += max(k, 0)
		if k > 0 {
			last = time.Now()
			c.SetReadDeadline(last.Add(time.Second))
		}
	}
	return n, last
}
