// SPDX-License-Identifier: GPL-2.0-or-later

// Package bench measures how long receivers take under loss, with the code
// that is shipped.
//
// An [Experiment] is a set of schemes, a sweep over one parameter, and a mode:
// the sender's and receiver's cores in virtual time, the exact model for
// independent loss, or real processes. All modes give the same [Result].
//
// # Simulation
//
// In mode sim the packets come from package sender, and package receiver says
// when a receiver is done: when it holds K shards of every group and a
// manifest. In between there is nothing but links, a clock and counters, so an
// hour of transfer to a thousand receivers takes no sleep and no socket.
// Usually only headers travel; with Experiment.WithBytes it is a real file,
// encoded, decoded and verified, which takes the same packets.
//
// A receiver that joins is counted from the next packet on. It is given up after
// 50 times the packets that an ideal fountain needs, and 100,000 more: then it
// counts as infinitely late, not as completed.
//
// Losses, and the place where a receiver joins, depend on nothing but the seed,
// the trial and the receiver: all schemes and all points of a sweep meet the
// same, and one receiver or scheme more changes nothing for the others.
//
// A [Pollution] has an attacker beside every receiver, who puts forged packets
// among those that it hears: on its side of the loss, so that their share of
// all that is heard is exactly what was asked for.
//
// A [Layers] has receivers behind bottlenecks, one or several behind each, that
// choose their layers by the policy of package receiver. A router goes on with a
// layer for 2 s after the last of them left it.
//
// A [Set] has a sender of several objects. Each receiver wants one of them, or all. Its
// figures are packets of all objects, over the packets that all objects fill: 1 is the
// time in which an ideal code brings all of them.
//
// There is no code behind the schemes raptorq and ideal. They count packets on
// the same losses: the one by the failure law that is published for RaptorQ, the
// other until K have arrived.
package bench
