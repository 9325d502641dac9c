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
	// Parity record q travels before row floor(q*(K+M)/Q), which is another row
	// for every q since Q is at most K+M. If a record travels before this row,
	// it is the first one that does not travel before a lower row.
	rows := t.K + t.M
	q := (row*t.Parity + rows - 1) / rows
	if q < t.Parity && q*rows/t.Parity == row {
		records[n] = t.Records + q
		n++
	}
	return records, n
}
