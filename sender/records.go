// SPDX-License-Identifier: GPL-2.0-or-later

package sender

import "iotupd/proto"

// recordsBefore returns the n records of a group that travel just before its
// shard of row (spec.md 4.5): one of leaves, one of parity, both or none. The
// record of leaves is first.
func recordsBefore(t proto.Tree, row int) (records [2]int, n int) {
	if row%t.Leaves == 0 {
		records[0], n = row/t.Leaves, 1
	}
	// Q is at most K+M, so that floor(q*(K+M)/Q) is another row for every q. It
	// is this one for the least q that does not give a lower one, or for none.
	rows := t.K + t.M
	q := (row*t.Parity + rows - 1) / rows
	if q < t.Parity && q*rows/t.Parity == row {
		records[n] = t.Records + q
		n++
	}
	return records, n
}
