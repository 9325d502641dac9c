// SPDX-License-Identifier: GPL-2.0-or-later

// Package stats turns the outcomes of many trials into figures that say how
// sure they are: every [Estimate] holds the figure, an interval and n.
//
// All intervals are meant for 95 % confidence. All results are the same bits
// on every CPU: nothing depends on the order of the values or on math.Exp and
// math.Log, which differ between CPUs, and every product that is added to
// something is rounded first, by an explicit conversion, lest the compiler fuse
// the two where the CPU can. What is printed goes through [Round].
package stats
