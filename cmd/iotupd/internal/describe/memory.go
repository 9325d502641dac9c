// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"fmt"

	"iotupd/internal/quantity"
	"iotupd/proto"
	"iotupd/receiver"
)

const (
	// ProgramMemory is what recv takes in bytes before it receives anything.
	ProgramMemory = 10 << 20

	// networkMemory is what packets on their way take, and small socket buffers.
	networkMemory = 3 << 20
)

// ReceiversNeed returns what recv takes for a file with parameters p at least,
// and what it takes to decode it fast.
func ReceiversNeed(p proto.Params) (least, fast quantity.Size) {
	need, err := receiver.NeedOf(p)
	if err != nil {
		return 0, 0
	}
	return wholeMiB(need.Least), wholeMiB(need.Fast)
}

func wholeMiB(n uint64) quantity.Size {
	const mib = 1 << 20
	return quantity.Size((n + ProgramMemory + networkMemory + mib - 1) / mib * mib)
}

// Memory tells what receivers need.
func Memory(least, fast int64) string {
	if least == fast {
		return fmt.Sprintf("receivers need %v", quantity.Size(least))
	}
	return fmt.Sprintf("receivers need %v, %v for fast decoding", quantity.Size(least), quantity.Size(fast))
}
