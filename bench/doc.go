// SPDX-License-Identifier: GPL-2.0-or-later

// Package bench measures how long receivers take under loss, with the code
// that is shipped.
//
// An [Experiment] is a set of schemes, a sweep over one parameter, and a mode:
// the sender's and receiver's cores in virtual time, the exact model for
// independent loss, or real processes. All modes give the same [Result].
package bench
