// SPDX-License-Identifier: GPL-2.0-or-later

// Package model computes, without simulation, how many packets a sender sends
// between the moment a receiver joins and the moment it has the file, if every
// packet is lost independently with the same probability. It takes
// milliseconds for files of 100 GB and for the slowest of a million receivers.
//
//   - [Groups], the code and order of this program, and [Repeat], plain loops and
//     repetition, are exact.
//   - [Fountain] is exact, but no such code exists: it is the physical limit.
//   - [RaptorQ] is exact given the failure law that its authors publish.
//
// A file is counted in whole groups of equal size. A receiver joins at a random
// place of the loop, which makes no difference but one: where the sender starts
// every row at another group, a receiver that joins within a row may wait for up
// to G-1 packets more. Only the simulation shows that.
//
// Results are the same bits on every CPU, for the reasons that package stats
// gives.
package model
