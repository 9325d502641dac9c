// SPDX-License-Identifier: GPL-2.0-or-later

// Package qdisc reads what the queueing discipline of a network interface has
// dropped: packets that a program has sent and that never left the host. The
// program gets no error for them.
package qdisc
