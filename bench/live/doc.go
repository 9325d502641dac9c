// SPDX-License-Identifier: GPL-2.0-or-later

// Package live runs experiments of mode net: real senders and receivers, which
// are processes of iotupd with sockets of their own.
//
// As root on Linux, each process gets a network namespace of its own, and all
// are joined by a bridge. Elsewhere they share the loopback interface. No
// packet leaves the machine either way.
//
// Losses are drawn by the receivers (recv --drop). Receiver i of trial t loses
// the same packets as in mode sim, drawn by the stream of seed, t and i. All
// receivers of a trial listen before the first packet is sent, and it is the
// sender that begins at a random place of its loop (send --start): so nobody
// waits for loops to pass, a receiver's losses are counted from the first packet
// on, as in mode sim, and a run can be repeated. The price: the receivers of one
// trial all join at the same place, those of another trial at another one.
// Several senders share the stream of a receiver, where mode sim has one for
// each.
package live
